"""What all methods share that keep a network of its own for each task."""

from torch import nn

from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import NEEDS_TASK
from cgap_bench.learn.sizes import n_parameters

OWN_NETWORK = f"every task has a network of its own, {NEEDS_TASK}"


class OwnNetworks:
    """Networks as they are once trained: nothing is forgotten, everything stored.

    Args:
        context: What to work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._networks: list[nn.Module] = []
        self.strategy: TensorStrategy | None = None  # a new one in each experience

    def network_for(self, task: int) -> nn.Module | None:
        """The task's own network."""
        return self._networks[task]

    def stored_parameters(self) -> int:
        """All networks so far."""
        return sum(map(n_parameters, self._networks))
