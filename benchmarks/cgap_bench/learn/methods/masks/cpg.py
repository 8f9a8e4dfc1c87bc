"""CPG: compacting, picking and growing; tasks own weights, pick old ones, widen the network."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.packnet import FREE, PackNet
from cgap_bench.learn.methods.masks.piggyback import FIRST_SCORE, THRESHOLD
from cgap_bench.learn.methods.masks.scored import StraightThrough
from cgap_bench.learn.methods.masks.structured import is_chain
from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskPlugin
from cgap_bench.learn.methods.masks.widening import corner, widened
from cgap_bench.learn.training_macs import beside_training
from cgap_cl.change.optimizer_state import adopt


class CPG(PackNet):
    """Hung et al. 2019 (CPG): a task trains free weights and picks among those of its elders.

    Picking is a binary mask from trained scores, as in Piggyback; compacting cuts the task's
    own weights as far as its accuracy bears; growing widens every layer alike when the task
    does not reach its goal. Every task has its own biases and batch norms, as in the authors'
    code. Old tasks execute the network at its present width, zeros included.

    Args:
        network: A plain chain whose last module is the model of the heads.
        tasks: Task labels.

    Raises:
        ValueError: The network is not a plain chain.
    """

    size: Tensor

    def __init__(self, network: nn.Sequential, tasks: Iterable[int]) -> None:
        super().__init__(network, tasks, PerChannel.OWN)
        if not is_chain(self.backbone):
            raise ValueError("CPG needs a plain chain of layers without groups")
        self._first = (copy.deepcopy(self.backbone),)  # for its structure; no part of this one
        self.register_buffer("size", torch.tensor(1.0))  # of the network, in units of the first
        self.scores, self.picks = nn.ParameterDict(), nn.Module()
        for name in self.weight_names():
            self._make_picks(name)

    def _make_picks(self, name: str) -> None:
        weight, key = self.weight(name), name.replace(".", "__")
        self.scores[key] = nn.Parameter(torch.full_like(weight, FIRST_SCORE))
        picks = torch.zeros(len(self.labels), *weight.shape, dtype=torch.bool)
        self.picks.register_buffer(key, picks.to(weight.device))

    def picks_of(self, name: str) -> Tensor:
        """Weights of elders that each task uses, by position, (T, *shape of the weight)."""
        return self.picks.get_buffer(name.replace(".", "__"))

    def _weight_of(self, name: str, task: int, number: int) -> Tensor:
        owner, settled = self.owner_of(name), self.settled_of(name)
        older = (owner > FREE) & (owner < number)
        if task != self.current:
            picked = older & self.picks_of(name)[number - 1]
            return settled * (picked | (owner == number))
        scores = self.scores[name.replace(".", "__")]
        mask: Tensor = StraightThrough.apply(scores, scores > THRESHOLD)
        own = (owner == number) | ((owner == FREE) & ~self.pruned)
        return torch.where(own, self.weight(name), settled * older * mask)

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """All weights of elders are picked at first."""
        super().begin(task)
        for scores in self.scores.values():
            scores.fill_(FIRST_SCORE)

    @torch.no_grad()
    def compact(self, share: float) -> None:
        """Own the largest share of the weights that were free when the task began.

        What is cut starts at zero in the next task.
        """
        assert self.current is not None
        number = self.position(self.current) + 1
        for name in self.weight_names():
            owner, weight = self.owner_of(name), self.weight(name)
            held = (owner == number) if self.pruned else (owner == FREE)
            n_free = int(((owner == FREE) | (owner == number)).sum())
            owner.masked_fill_(held, FREE)
            n_kept = min(round(share * n_free), int(held.sum()))
            chosen = weight.abs().masked_fill(~held, -1.0).flatten().topk(n_kept).indices
            owner.view(-1)[chosen] = number
        self.pruned.fill_(True)

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Keep what was picked; weights that were not cut are all owned."""
        if not self.pruned:
            self.compact(1.0)
        for name in self.weight_names():
            mask = self.scores[name.replace(".", "__")] > THRESHOLD
            self.picks_of(name)[self.position(task)] = mask
        super().finish(task)

    def grow(self, size: float) -> None:
        """Widen every layer; what the tasks so far compute stays.

        Args:
            size: Of the new network in units of the first; widths grow by its square root.
        """
        wide = widened(self._first[0], math.sqrt(size)).to(self.size.device)
        heads = self._wide_heads(wide)
        old = {name: tensor.detach() for name, tensor in self.state_dict().items()}
        self.backbone = wide
        self.heads.update(heads)
        self._remake()
        state = {n: corner(old[n], like) if n in old else like for n, like in _all(self)}
        self.size.fill_(size)
        super().load_state_dict(state | {"size": self.size.clone()})

    def _wide_heads(self, wide: nn.Sequential) -> dict[str, nn.Linear]:
        """Heads for more features; finished tasks read none of the new ones."""
        layers = [m for m in wide if isinstance(m, nn.Conv2d | nn.Linear)]
        units = layers[-1].weight.shape[0]
        before = self.weight(self.weight_names()[-1]).shape[0]
        heads = {}
        for label, head in self.heads.items():
            assert isinstance(head, nn.Linear)
            n = head.in_features // before * units
            made = nn.Linear(n, head.out_features, head.bias is not None)
            if int(label) != self.current:
                nn.init.zeros_(made.weight)
            heads[label] = made.to(head.weight.device)
        return heads

    def _remake(self) -> None:
        """Everything that has the shape of the backbone, anew."""
        for name in self.weight_names():
            weight, key = self.weight(name), name.replace(".", "__")
            self.settled.register_buffer(key, torch.zeros_like(weight))
            owner = torch.zeros_like(weight, dtype=torch.int16)
            self.owner.register_buffer(key, owner)
            self._make_picks(name)
        for label in list(self.channels):
            self.channels[label] = self.channel_values()

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in torch, for a network of another size too."""
        size = float(state_dict["size"])
        if size != float(self.size):
            self.grow(size)
        return super().load_state_dict(state_dict, *args, **kwargs)

    def free_share(self) -> float:
        """Share of the weights that no task owns."""
        n = sum(int((self.owner_of(name) == FREE).sum()) for name in self.weight_names())
        return n / self.n_weights()

    def mask_bits(self) -> int:
        """The owner of each weight, and a bit for each task but the first that may pick it."""
        return super().mask_bits() + self.n_weights() * max(0, self.n_learnt - 1)


def _all(network: nn.Module) -> Iterable[tuple[str, Tensor]]:
    return network.state_dict().items()


class CPGPlugin(TaskPlugin):
    """Runs a `CPG` inside the epochs of an experience.

    Train until `grow_at` of the epochs; if the network does not reach `goal` by then, it grows.
    Train until `prune_from`; then cut the task's own weights further and further, evenly over
    the epochs until `prune_until`, as long as accuracy stays within `tolerance` of what it was
    before; train what is kept to the end. Accuracies are of held-out images: the authors' code
    looks at the test set. Its goals are the accuracies of networks trained for each task alone.

    Args:
        judge: Model and task label -> accuracy on images that are not trained on.
        goal: Accuracy below which the network grows; None: it never does.
        largest_size: Limit of growth, in units of the first network.
        shares: Of the weights that were free at first, kept by each step of cutting.
        tolerance: Accuracy that cutting may cost.
    """

    STATE = ("_epoch", "_before", "_cuts", "_good")
    grow_at, prune_from, prune_until = 0.2, 0.4, 0.8

    def __init__(
        self,
        judge: Callable[[nn.Module, int], float],
        goal: float | None = None,
        largest_size: float = 1.5,
        shares: tuple[float, ...] = (0.8, 0.6, 0.4, 0.2, 0.1, 0.05),
        tolerance: float = 0.01,
    ) -> None:
        super().__init__()
        self._judge, self._goal, self._largest = judge, goal, largest_size
        self._shares, self._tolerance = shares, tolerance
        self._epoch = 0
        self._before = 0.0  # accuracy before cutting
        self._cuts = 0  # steps done; more than there are: cutting has ended
        self._good: dict[str, Tensor] = {}  # state before the newest cut; empty: it stays

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """A task begins."""
        super().before_training_exp(strategy)
        self._epoch, self._cuts, self._good = 0, 0, {}

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Grow or cut where it is time."""
        total = strategy.train_epochs
        if self._epoch == round(self.grow_at * total) and self._goal is not None:
            self._maybe_grow(strategy, self._goal)
        while self._epoch >= self._due(total) and self._cuts < len(self._shares):
            self._cut(strategy)
        self._epoch += 1

    def _due(self, total: int) -> float:
        """Epoch of the next cut."""
        span = self.prune_until - self.prune_from
        return round((self.prune_from + span * self._cuts / len(self._shares)) * total)

    def _maybe_grow(self, strategy: Any, goal: float) -> None:
        model = strategy.model
        if float(model.size) < self._largest and self._accuracy(strategy) < goal:
            model.grow(min(self._largest, float(model.size) + 0.5))
            model.train_only(model.current)
            adopt(strategy.optimizer, model.named_parameters())
            strategy.optimized_param_id = dict(model.named_parameters())

    def _accuracy(self, strategy: Any) -> float:
        """Of the task that learns, by the judge."""
        model = strategy.model
        with beside_training(strategy, "held-out images"):
            return self._judge(model, model.current)

    def _cut(self, strategy: Any) -> None:
        """One step further, unless the last one has cost too much."""
        model, accuracy = strategy.model, self._accuracy(strategy)
        if self._cuts == 0:
            self._before = accuracy
        elif accuracy < self._before - self._tolerance:
            model.load_state_dict(self._good)
            self._cuts, self._good = len(self._shares), {}
            return
        self._good = copy.deepcopy(model.state_dict())
        model.compact(self._shares[self._cuts])
        self._cuts += 1

    def settle_training(self, strategy: Any) -> None:
        """The last cut is taken back if it has cost too much, once training is over."""
        if self._good and self._accuracy(strategy) < self._before - self._tolerance:
            strategy.model.load_state_dict(self._good)
        self._good = {}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """The task ends."""
        self.settle_training(strategy)
        super().after_training_exp(strategy)
