"""A shared network that is held back where old tasks need its weights."""

from typing import Any

import torch
from avalanche.training.plugins import EWCPlugin
from pydantic import Field
from torch import Tensor

from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, Method
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.record.configuration import Settings


class EWCSettings(Settings):
    """Elastic weight consolidation (Kirkpatrick et al. 2017), one penalty per old task."""

    strength: float = Field(1e9, gt=0)  # lambda; the penalty is not halved, as in Avalanche


class StableEWC(EWCPlugin):  # type: ignore[misc]
    """Avalanche's EWC, stable at any strength and as fast for many tasks as for one.

    The loss of task t gets strength * sum_k F_k (w - w_k)^2 over the old tasks k. Two things
    differ from Avalanche's plugin:

    1. The sum is kept as one parabola, F (w - m)^2 with F = sum_k F_k, m = sum_k F_k w_k / F,
       which has the same gradient; it is added to the gradient without a graph.
    2. F is capped at 1 / (8 * lr * strength), where a step along the penalty alone goes a
       quarter of the way to its minimum. Importances are squared gradients of a network that
       fits its data and span many orders of magnitude: without the cap training diverges
       before the strength is high enough to help.

    Args:
        strength: Of the penalty.
        lr: Highest learning rate in use.
    """

    def __init__(self, strength: float, lr: float) -> None:
        super().__init__(strength)
        self._cap = 1 / (8 * lr * strength)
        self._importance: dict[str, Tensor] = {}
        self._anchor: dict[str, Tensor] = {}
        self._stiffness: dict[str, Tensor] = {}  # 2 * strength * F, capped

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Nothing is added to the loss."""

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add the gradient of the penalty."""
        for name, weight in strategy.model.named_parameters():
            if name in self._stiffness and weight.grad is not None:
                weight.grad.addcmul_(self._stiffness[name], weight - self._anchor[name])

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Add the parabola of the experience that ends."""
        importances = self.compute_importances(
            strategy.model,
            strategy._criterion,
            strategy.optimizer,
            strategy.experience.dataset,
            strategy.device,
            strategy.train_mb_size,
        )

        for name, weight in strategy.model.named_parameters():
            new, now = importances[name].data, weight.detach()
            old = self._importance.get(name, torch.zeros_like(new))
            anchor = self._anchor.get(name, now)
            total = old + new
            share = torch.where(total > 0, new / total, 0)
            self._anchor[name] = anchor + share * (now - anchor)
            self._importance[name] = total
            self._stiffness[name] = 2 * self.ewc_lambda * total.clamp(max=self._cap)


def _ewc(context: Context, settings: EWCSettings) -> SharedNetwork:
    return SharedNetwork(
        context, plugins=[StableEWC(settings.strength, context.config.training.lr)]
    )


METHODS.add(
    "ewc", Method("the reference network with elastic weight consolidation", EWCSettings, _ewc)
)
