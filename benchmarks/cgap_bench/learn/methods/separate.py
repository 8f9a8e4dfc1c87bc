"""One network per task, kept as it is once trained: nothing is forgotten, everything stored."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from cgap_bench.learn.budget import Budget, Budgeted, within
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, Method
from cgap_bench.learn.methods.own_networks import OWN_NETWORK, OwnNetworks
from cgap_bench.learn.methods.shaped import shaped_network
from cgap_bench.learn.multi_head import MultiHead


class Warm(Budgeted):
    """Settings of networks that start from the one before.

    `shrink` and `perturb` (Ash and Adams 2020): weights begin as so much of the old ones and
    so much of fresh ones.
    """

    shrink: float = Field(default=1.0, ge=0, le=1)
    perturb: float = Field(default=0.0, ge=0, le=1)

    def begun(self, old: Tensor, fresh: Tensor) -> Tensor:
        """What a weight begins as; values of norms, whose fresh ones are alike, are kept."""
        if old.dim() < 2 or (self.shrink, self.perturb) == (1, 0):
            return old
        return self.shrink * old + self.perturb * fresh


class SeparateNetworks(OwnNetworks):
    """As many small networks as tasks.

    Args:
        context: What to work with.
        network: Makes the untrained network of a task.
        warm: How a network starts from the weights of the one before, its head is new; None:
            all start from scratch.
    """

    def __init__(
        self, context: Context, network: Callable[[int], nn.Sequential], warm: Warm | None
    ) -> None:
        super().__init__(context)
        self._network, self._warm = network, warm
        self.extra: dict[str, Any] = {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Nothing happens to the structure."""
        return []

    def learn(self, experience: Any) -> None:
        """Train a network of its own on one experience."""
        task = experience.current_experience
        model = MultiHead(self._network(task), [task])
        if self._warm is not None and self._networks:
            before = copy.deepcopy(self._networks[-1])
            *body, _head = before.children()
            copy_overlap(nn.Sequential(*body), model.backbone, self._warm)
        self.strategy = self._context.strategy(model)
        self.strategy.train(experience)
        self._networks.append(model.network_for(task).requires_grad_(False))

    def state_dict(self) -> dict[str, Any]:
        """All networks so far."""
        return {
            "networks": [network.state_dict() for network in self._networks],
            "extra": self.extra,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`; draws from the global generators."""
        self.extra, self._networks = saved["extra"], []
        for task, values in enumerate(saved["networks"]):
            network = MultiHead(self._network(task), [task]).network_for(task)
            network.load_state_dict(values)
            self._networks.append(network.requires_grad_(False))


@torch.no_grad()
def copy_overlap(source: nn.Module, target: nn.Module, warm: Warm) -> None:
    """Copy parameters and statistics; where the widths differ, the units that both have.

    Args:
        source: What there is.
        target: What it is copied into.
        warm: What becomes of weights on the way.
    """
    pairs = zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    for theirs, mine in pairs:
        corner = tuple(slice(min(a, b)) for a, b in zip(theirs.shape, mine.shape, strict=True))
        mine[corner] = warm.begun(theirs[corner], mine[corner])


def narrowed(context: Context, warm: Warm | None, budget: Budget) -> SeparateNetworks:
    """Every layer narrowed alike until an inference takes as many MACs as CGaP's."""
    width = context.equal_width()
    learner = _separate(context, lambda _task: context.network(width), warm, budget)
    learner.extra["width"] = width
    return learner


def shaped(context: Context, warm: Warm | None, budget: Budget) -> SeparateNetworks:
    """Every layer as wide as CGaP ended up with in the same experience."""
    return _separate(context, lambda task: shaped_network(context, task), warm, budget)


def _separate(
    context: Context,
    network: Callable[[int], nn.Sequential],
    warm: Warm | None,
    budget: Budget,
) -> SeparateNetworks:
    """Separate networks, trained for as long as the budget allows."""
    if budget is Budget.EPOCHS:
        return SeparateNetworks(context, network, warm)
    with torch.random.fork_rng(devices=[]):  # only their sizes count here
        networks = [network(task) for task in range(context.stream.n_experiences)]
    budgeted = within(context, budget, networks)
    learner = SeparateNetworks(budgeted, network, warm)
    learner.extra["epochs"] = budgeted.config.training.epochs
    return learner


def _add(
    name: str,
    summary: str,
    build: Callable[[Context, Warm | None, Budget], SeparateNetworks],
    warm: bool,
) -> None:
    METHODS.add(
        name,
        Method(
            summary,
            Warm if warm else Budgeted,
            lambda context, own: build(context, own if warm else None, own.budget),
            why_no_other=OWN_NETWORK,
            sized_by_cgap=True,
        ),
    )


_add("independent", "one network a task, each narrowed to CGaP's MACs", narrowed, warm=False)
_add(
    "warm",
    "one network a task at CGaP's MACs, each started from the one before",
    narrowed,
    warm=True,
)
_add("shaped", "one network a task, each as wide as CGaP's, from scratch", shaped, warm=False)
_add(
    "shaped-warm",
    "one network a task, each as wide as CGaP's, started from the one before",
    shaped,
    warm=True,
)
