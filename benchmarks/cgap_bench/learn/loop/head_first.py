"""Linear probing before fine-tuning: a new head learns alone on features that are there."""

from collections.abc import Callable, Iterable
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn


class HeadFirst(SupervisedPlugin):  # type: ignore[misc]
    """Only the head learns at the start of an experience (Kumar et al. 2022, LP-FT).

    A random head moves all that was inherited at the full rate; once it fits, it does so less.
    Gradients of the rest are dropped after the backward pass, so that it counts in full, and
    batch norms go on estimating their statistics.

    Args:
        epochs: For how long; parts of one, too.
        head: Parameters that learn, asked for in each iteration since they may be replaced.
    """

    STATE = ("_left",)

    def __init__(self, epochs: float, head: Callable[[], Iterable[nn.Parameter]]) -> None:
        super().__init__()
        self._epochs, self._head = epochs, head
        self._left = 0

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Count iterations; nothing is inherited in the first experience."""
        inherits = strategy.experience.current_experience > 0
        self._left = round(self._epochs * len(strategy.dataloader)) if inherits else 0

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Leave the optimizer the head's gradients alone."""
        if not self._left:
            return
        self._left -= 1
        head = {id(parameter) for parameter in self._head()}
        for parameter in strategy.model.parameters():
            if id(parameter) not in head:
                parameter.grad = None
