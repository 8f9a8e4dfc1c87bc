"""A shared network whose loss holds back weights that old tasks need."""

from typing import Any

from avalanche.training.plugins import EWCPlugin
from pydantic import Field

from cgap_bench.config import Settings
from cgap_bench.method import METHODS, Context, Method
from cgap_bench.methods.fixed import SharedNetwork


class EWCSettings(Settings):
    """Elastic weight consolidation (Kirkpatrick et al. 2017), one penalty per old task."""

    strength: float = Field(1e8, gt=0)  # lambda; Avalanche does not halve the penalty


class StableEWC(EWCPlugin):  # type: ignore[misc]
    """Avalanche's EWC with importances capped where a step along the penalty would overshoot.

    The penalty strength * importance * (w - old)^2 of each of T tasks changes w by
    2 * lr * strength * importance * (w - old) in a step; below 1 / (2 * lr * strength * T) all
    of them together change it by no more than the distance to the old values. Without a cap
    training diverges before the strength is high enough to help: importances are squared
    gradients of a network that fits its data, and span many orders of magnitude.

    Args:
        strength: Of the penalty.
        lr: Highest learning rate in use.
        n_experiences: T.
    """

    def __init__(self, strength: float, lr: float, n_experiences: int) -> None:
        super().__init__(strength)
        self._cap = 1 / (2 * lr * strength * n_experiences)

    def update_importances(self, importances: Any, t: int) -> None:
        """Called by Avalanche with the importances of experience t."""
        for importance in importances.values():
            importance.data.clamp_(max=self._cap)
        super().update_importances(importances, t)


def _ewc(context: Context, settings: EWCSettings) -> SharedNetwork:
    lr, n_experiences = context.config.training.lr, context.stream.n_experiences
    return SharedNetwork(context, plugins=[StableEWC(settings.strength, lr, n_experiences)])


METHODS.add(
    "ewc", Method("the reference network with elastic weight consolidation", EWCSettings, _ewc)
)
