"""Plugins are called in every iteration; those that have nothing to do there are not.

Avalanche calls every plugin at eight places of an iteration, and an evaluation plugin without
metrics is slow to do nothing: on small networks a tenth of the time of a step.
"""

from collections.abc import Callable
from typing import Any

from avalanche.core import BasePlugin, BaseSGDPlugin, SupervisedPlugin
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin

Call = Callable[..., Any]
_IDLE = (BasePlugin, BaseSGDPlugin, SupervisedPlugin)  # whose methods do nothing


class PluginCalls:
    """A strategy's calls of its plugins in training iterations; put before Avalanche's class.

    Attributes:
        plugins: As Avalanche has them; they may be added and removed at any time.
    """

    plugins: list[Any]

    def _before_training_iteration(self, **options: Any) -> None:
        self._tell("before_training_iteration", options)

    def _before_forward(self, **options: Any) -> None:
        self._tell("before_forward", options)

    def _after_forward(self, **options: Any) -> None:
        self._tell("after_forward", options)

    def _before_backward(self, **options: Any) -> None:
        self._tell("before_backward", options)

    def _after_backward(self, **options: Any) -> None:
        self._tell("after_backward", options)

    def _before_update(self, **options: Any) -> None:
        self._tell("before_update", options)

    def _after_update(self, **options: Any) -> None:
        self._tell("after_update", options)

    def _after_training_iteration(self, **options: Any) -> None:
        self._tell("after_training_iteration", options)

    def _tell(self, event: str, options: dict[str, Any]) -> None:
        plugins, known = self.plugins, self.__dict__.setdefault("_calls", {})
        before, calls = known.get(event, (None, ()))
        if before != plugins:
            calls = [call for plugin in plugins if (call := busy(plugin, event))]
            known[event] = list(plugins), calls
        for call in calls:
            call(self, **options)


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
