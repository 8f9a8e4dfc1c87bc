"""A method of one's own beside CGaP.

Run: python examples/own_method.py run split-digits --methods cgap,last

`last` trains one network on each experience, and answers every task with the newest one.
"""

from typing import Any

from torch import nn

from cgap_bench.cli import main
from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, Method, NoSettings


class LastNetwork:
    """A fresh network an experience; the older ones are thrown away."""

    strategy: TensorStrategy | None = None

    def __init__(self, context: Context, _settings: NoSettings) -> None:
        self._context = context
        self.network: nn.Module = context.network()
        self.history: list[dict[str, Any]] = []
        self.extra: dict[str, Any] = {}

    def learn(self, experience: Any) -> None:
        """Train a new network on the experience alone."""
        self.network = self._context.network()
        self.strategy = self._context.strategy(self.network)
        self.strategy.train(experience)

    def network_for(self, _task: int) -> nn.Module:
        """The newest network, whatever the task."""
        return self.network

    def state_dict(self) -> dict[str, Any]:
        """What a killed run goes on with."""
        return self.network.state_dict()

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        self.network.load_state_dict(saved)

    def stored_parameters(self) -> int:
        """Those of one network."""
        return sum(parameter.numel() for parameter in self.network.parameters())


# at the top level: worker processes need it too
METHODS.add("last", Method("the newest network only", NoSettings, LastNetwork))

if __name__ == "__main__":
    main()
