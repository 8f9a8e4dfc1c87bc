"""Plugins are called in every iteration; those that have nothing to do there are not.

Avalanche calls every plugin at eight places of an iteration, and an evaluation plugin without
metrics is slow to do nothing: on small networks a tenth of the time of a step.
"""

from collections.abc import Callable, Sequence
from typing import Any

from avalanche.core import BasePlugin, BaseSGDPlugin, SupervisedPlugin
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin

Call = Callable[..., Any]
EVENTS = (
    *("before_training_iteration", "before_forward", "after_forward", "before_backward"),
    *("after_backward", "before_update", "after_update", "after_training_iteration"),
)
_IDLE = (BasePlugin, BaseSGDPlugin, SupervisedPlugin)  # whose methods do nothing


class PluginCalls:
    """A strategy's training iterations, put before Avalanche's class.

    Attributes:
        plugins: As Avalanche has them; they may be added and removed at any time, which counts
            from the next iteration on.
    """

    plugins: list[Any]

    def training_epoch(self: Any, **options: Any) -> None:
        """Avalanche's own, step by step; a loss that is the criterion alone is no sum.

        What Python does in an iteration it does with cold caches, after a pass over weights.
        """
        empty = self._make_empty_loss()
        for batch in self.dataloader:
            if self._stop_training:
                break
            self.mbatch, calls = batch, self.calls()
            self._unpack_minibatch()
            self._tell(calls["before_training_iteration"], options)

            self.optimizer.zero_grad()
            self.loss = empty
            self._tell(calls["before_forward"], options)
            self.mb_output = self.forward()
            self._tell(calls["after_forward"], options)

            if self.loss is empty and not empty._version:
                self.loss = self.criterion()
            else:  # a plugin has put something there, or added to it in place
                self.loss, empty = self.loss + self.criterion(), self._make_empty_loss()
            self._tell(calls["before_backward"], options)
            self.backward()
            self._tell(calls["after_backward"], options)

            self._tell(calls["before_update"], options)
            self.optimizer_step()
            self._tell(calls["after_update"], options)
            self._tell(calls["after_training_iteration"], options)

    def _tell(self, calls: Sequence[Call], options: dict[str, Any]) -> None:
        for call in calls:
            call(self, **options)

    def calls(self) -> dict[str, list[Call]]:
        """Event of an iteration -> what plugins do at it, in their order."""
        before, calls = self.__dict__.get("_calls", (None, {}))
        if before != self.plugins:
            calls = {event: _at(event, self.plugins) for event in EVENTS}
            self._calls = list(self.plugins), calls
        return calls  # type: ignore[no-any-return]


def _at(event: str, plugins: Sequence[Any]) -> list[Call]:
    return [call for plugin in plugins if (call := busy(plugin, event))]


def busy(plugin: Any, event: str) -> Call | None:
    """What a plugin does at an event; None: nothing.

    Args:
        plugin: Of Avalanche or of a user's own, of any class.
        event: Name of its method.
    """
    if isinstance(plugin, EvaluationPlugin):
        silent = all(type(logger) is BaseLogger for logger in plugin.loggers)
        if silent and not plugin.metrics:
            return None
    call: Call | None = getattr(plugin, event, None)
    function = getattr(call, "__func__", None)
    if function is not None and any(function is vars(idle).get(event) for idle in _IDLE):
        return None
    return call
