"""PackNet: every task owns some of the weights, and reads those of its elders."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.task_network import (
    PerChannel,
    TaskNetwork,
    TaskPlugin,
)

FREE = 0


class PackNet(TaskNetwork):
    """A task trains the free weights, keeps the largest of them and frees the rest.

    Mallya and Lazebnik 2018 (PackNet), section 3: in each layer the weights of smallest
    magnitude among those that the task has trained are cut, the others retrained and then
    settled. Deviations:

    1. Batch norms: the paper freezes them after the first task (`PerChannel.FIRST`); here each
       task has its own by default.
    2. How much is cut: the paper's shares are chosen by hand; without one, each task keeps an
       equal part of the weights (the last keeps all that is left).

    Settled weights are a buffer that no optimizer knows: nothing can move them.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
        prune_ratio: Share of the weights trained by a task that is freed; None: equal parts.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> packed = PackNet(net, tasks=[0, 1])
        >>> packed.begin(0)
        >>> packed.prune()
        >>> packed.finish(0)
        >>> int((packed.network_for(0)[0].weight != 0).sum())
        32
    """

    pruned: Tensor

    def __init__(
        self,
        network: nn.Sequential,
        tasks: Iterable[int],
        per_channel: PerChannel = PerChannel.OWN,
        prune_ratio: float | None = None,
    ) -> None:
        super().__init__(network, tasks, per_channel)
        if prune_ratio is not None and not 0 <= prune_ratio < 1:
            raise ValueError(f"prune_ratio={prune_ratio} is not in [0, 1)")
        self._prune_ratio = prune_ratio
        self.settled, self.owner = nn.Module(), nn.Module()
        for name in self.weight_names():
            weight = self.weight(name)
            key = name.replace(".", "__")
            self.settled.register_buffer(key, torch.zeros_like(weight))
            # 0: free, else the position of the task that owns it, from 1
            self.owner.register_buffer(key, torch.zeros(weight.shape, dtype=torch.int16))
        self.register_buffer("pruned", torch.tensor(True))

    def settled_of(self, name: str) -> Tensor:
        """Values of the weights that are owned, 0 elsewhere."""
        return self.settled.get_buffer(name.replace(".", "__"))

    def owner_of(self, name: str) -> Tensor:
        """Who owns each weight: 0 nobody, else 1 + the task's position."""
        return self.owner.get_buffer(name.replace(".", "__"))

    def weights(self, task: int) -> Mapping[str, Tensor]:
        """Those of the elders and its own; in training also all free ones."""
        number = self.position(task) + 1
        return {name: self._weight_of(name, task, number) for name in self.weight_names()}

    def _weight_of(self, name: str, task: int, number: int) -> Tensor:
        owner = self.owner_of(name)
        if task != self.current:
            return self.settled_of(name) * ((owner > FREE) & (owner <= number))
        own = (owner == number) | ((owner == FREE) & ~self.pruned)
        return torch.where(own, self.weight(name), self.settled_of(name))

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """All free weights may train; those that an earlier task has cut start at zero."""
        super().begin(task)
        self.pruned.fill_(False)

    @torch.no_grad()
    def prune(self) -> None:
        """Own the largest free weights of each layer; the others are not read any more."""
        assert self.current is not None
        number = self.position(self.current) + 1
        keep = self._kept_share(number - 1)
        for name in self.weight_names():
            weight, owner = self.weight(name), self.owner_of(name)
            free = owner == FREE
            n_kept = round(keep * int(free.sum()))
            size = weight.abs().masked_fill(~free, -1.0).flatten()
            owner.view(-1)[size.topk(n_kept).indices] = number
        self.pruned.fill_(True)

    def _kept_share(self, position: int) -> float:
        if self._prune_ratio is None:
            return 1 / (len(self.labels) - position)
        return 1 - self._prune_ratio

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Settle the task's weights; if they were not cut before, they are cut now."""
        if not self.pruned:
            self.prune()
        number = self.position(task) + 1
        for name in self.weight_names():
            own = self.owner_of(name) == number
            self.settled_of(name)[own] = self.weight(name)[own]
            self.weight(name).mul_(own)
        super().finish(task)

    def mask_bits(self) -> int:
        """The number of the owner for each weight, or nobody."""
        return self.n_weights() * math.ceil(math.log2(self.n_learnt + 1))


class PackNetPlugin(TaskPlugin):
    """Runs a `PackNet`: cuts after a share of the epochs, the rest retrains what is kept.

    Args:
        prune_at: Share of an experience's epochs after which the weights are cut.
    """

    STATE = ("_epoch",)

    def __init__(self, prune_at: float = 0.5) -> None:
        super().__init__()
        if not 0 < prune_at <= 1:
            raise ValueError(f"prune_at={prune_at} is not in (0, 1]")
        self._prune_at = prune_at
        self._epoch = 0

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """A task begins."""
        super().before_training_exp(strategy)
        self._epoch = 0

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Cut when it is time."""
        due = round(self._prune_at * strategy.train_epochs)
        if self._epoch == due and not strategy.model.pruned:
            strategy.model.prune()
        self._epoch += 1

    def settle_training(self, strategy: Any) -> None:
        """Cut now if training ended before it was time."""
        if not strategy.model.pruned:
            strategy.model.prune()
