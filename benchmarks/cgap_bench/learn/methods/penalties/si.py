"""Synaptic intelligence: importance is what a weight has done for the loss on its way."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cgap_bench.learn.methods.penalties.quadratic import (
    Named,
    QuadraticPenalty,
    summed,
    weights_of,
)


class SynapticIntelligence(QuadraticPenalty):
    """Zenke, Poole and Ganguli 2017 (SI), equations 4 and 5.

    During an experience omega_i = -sum g_i * (step of w_i), g the gradient of the task's loss
    alone; at its end F_i += omega_i / ((w_i - w_i at its start)^2 + damping). Avalanche's own
    plugin has no effect on the CPU, where it compares live weights with themselves (they are
    read without a copy), and clips importances to 1e-3; neither happens here. Weights whose
    omega is negative, which would be pushed away, count as zero.

    Args:
        strength: c, without a half as in the paper.
        damping: xi.
        stiffest: See `QuadraticPenalty`.
    """

    def __init__(
        self, strength: float, damping: float = 0.1, stiffest: float | None = None
    ) -> None:
        super().__init__(strength, stiffest)
        if damping <= 0:
            raise ValueError(f"damping={damping} is not above 0")
        self._damping = damping
        self._work: Named = {}  # omega
        self._start: Named = {}  # weights at the start of the experience
        self._gradient: Named = {}
        self._before: Named = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """The way starts here."""
        self._start = weights_of(strategy.model)
        self._work = {name: torch.zeros_like(w) for name, w in self._start.items()}

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Note the gradient of the loss, then add that of the penalty."""
        gradients = {
            name: weight.grad
            for name, weight in strategy.model.named_parameters()
            if weight.grad is not None
        }
        self._gradient = _noted(gradients, self._gradient)
        super().after_backward(strategy)

    @torch.no_grad()
    def before_update(self, strategy: Any, **_: Any) -> None:
        """Note the weights."""
        named = dict(strategy.model.named_parameters())
        self._before = _noted({name: named[name] for name in self._gradient}, self._before)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """What the step did for the loss, to first order."""
        named = dict(strategy.model.named_parameters())
        for name, gradient in self._gradient.items():
            back = self._before[name].sub_(named[name])  # minus the step
            self._work[name].addcmul_(gradient, back)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Add the importances of the experience that ends."""
        now = weights_of(strategy.model)
        new = {
            name: work.clamp(min=0) / ((now[name] - self._start[name]) ** 2 + self._damping)
            for name, work in self._work.items()
        }
        self.settle(summed(self.importance, new), now)

    def _per_weight(self) -> list[Named]:
        return [*super()._per_weight(), self._work]

    def _places(self) -> list[Named]:
        return [*super()._places(), self._start]

    def state_dict(self) -> dict[str, Any]:
        """Also the way so far."""
        return {**super().state_dict(), "work": dict(self._work), "start": dict(self._start)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._work, self._start = dict(state["work"]), dict(state["start"])


def _noted(values: Named, room: Named) -> Named:
    """Copies, in the memory of earlier ones: to allocate it anew takes longer than copying."""
    return {
        name: room[name].copy_(value) if _fits(value, room.get(name)) else value.clone()
        for name, value in values.items()
    }


def _fits(value: Tensor, room: Tensor | None) -> bool:
    return room is not None and room.shape == value.shape and room.device == value.device
