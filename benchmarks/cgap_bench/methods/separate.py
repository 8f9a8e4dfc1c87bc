"""One network per task, kept as it is once trained: nothing is forgotten, everything stored."""

import copy
from typing import Any

from torch import nn

from cgap_bench.method import METHODS, Context, Method, NoSettings
from cgap_bench.networks import MultiHead, n_parameters


class SeparateNetworks:
    """As many narrow networks as tasks.

    Args:
        context: What to work with.
        warm: Each network starts from the weights of the one before; only the head is new.
    """

    def __init__(self, context: Context, warm: bool) -> None:
        self._context, self._warm = context, warm
        self._width = context.equal_width()
        self._networks: list[nn.Module] = []
        self.extra: dict[str, Any] = {"width": self._width}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Nothing happens to the structure."""
        return []

    def learn(self, experience: Any) -> None:
        """Train a network of its own on one experience."""
        task = experience.current_experience
        model = MultiHead(self._context.network(self._width), [task])
        if self._warm and self._networks:
            before = copy.deepcopy(self._networks[-1]).requires_grad_(True)
            *body, _head = before.children()
            model.backbone = nn.Sequential(*body)
        self._context.strategy(model).train(experience)
        self._networks.append(model.network_for(task).requires_grad_(False))

    def network_for(self, task: int) -> nn.Module | None:
        """The task's own network."""
        return self._networks[task]

    def stored_parameters(self) -> int:
        """All networks so far."""
        return sum(map(n_parameters, self._networks))


METHODS.add(
    "independent",
    Method(
        "one network a task, each narrowed to CGaP's MACs",
        NoSettings,
        lambda context, _settings: SeparateNetworks(context, warm=False),
        sized_by_cgap=True,
    ),
)
METHODS.add(
    "warm",
    Method(
        "one network a task at CGaP's MACs, each started from the one before",
        NoSettings,
        lambda context, _settings: SeparateNetworks(context, warm=True),
        sized_by_cgap=True,
    ),
)
