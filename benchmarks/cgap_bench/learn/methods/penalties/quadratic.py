"""A parabola around the weights of old tasks: EWC, SI and MAS differ in how steep it is."""

from collections.abc import Iterator, Mapping
from operator import is_
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from cgap_cl.blocks.index_maps import IndexMap

Named = dict[str, Tensor]


class QuadraticPenalty(SupervisedPlugin):  # type: ignore[misc]
    """The loss gets strength * sum_i F_i (w_i - m_i)^2.

    Its gradient is added to that of the loss, without a graph: the strategy's reported loss is
    the loss of the task alone. A subclass sets importances F and anchors m when an experience
    ends. Weights that take no gradient, such as the heads of old tasks, are left alone.

    Args:
        strength: Of the penalty.
        stiffest: Bound on 2 * strength * F_i, the spring constant of a weight; None: no bound.
            A step of plain SGD overshoots where it exceeds 2 / lr.

    Attributes:
        importance: F by name of the parameter; empty before the first experience has ended.
        anchor: m, likewise.
    """

    def __init__(self, strength: float, stiffest: float | None = None) -> None:
        super().__init__()
        self.strength, self.stiffest = strength, stiffest
        self.importance: Named = {}
        self.anchor: Named = {}
        self._stiffness: Named = {}
        self._held: list[Tensor] = []  # by the optimizer, when springs were looked up
        self._springs: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add the gradient of the penalty."""
        if not self._stiffness:
            return
        held = [p for group in strategy.optimizer.param_groups for p in group["params"]]
        if len(held) != len(self._held) or not all(map(is_, held, self._held)):
            # a walk over modules is slow beside a step of a small network
            self._held, self._springs = held, list(self._springs_of(strategy.model))
        for weight, stiffness, anchor, room in self._springs:
            if weight.grad is not None:
                weight.grad.addcmul_(stiffness, torch.sub(weight, anchor, out=room))

    def _springs_of(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Weight, stiffness and anchor of all that is held back, and room for the way to it."""
        for name, weight in model.named_parameters():
            if name in self._stiffness:
                room = torch.empty_like(weight, requires_grad=False)
                yield weight, self._stiffness[name], self.anchor[name], room

    def settle(self, importance: Named, anchor: Named) -> None:
        """From here on the penalty is this one."""
        self.importance, self.anchor, self._held = importance, anchor, []
        bound = None if self.stiffest is None else self.stiffest / (2 * self.strength)
        self._stiffness = {
            name: 2 * self.strength * (values if bound is None else values.clamp(max=bound))
            for name, values in importance.items()
        }

    @torch.no_grad()
    def penalty(self, model: nn.Module) -> Tensor:
        """Value of the penalty at a model's weights, bounded as its gradient is; a scalar."""
        total = torch.zeros(())
        for name, weight in model.named_parameters():
            if name in self._stiffness:
                pull = self._stiffness[name] * (weight - self.anchor[name]) ** 2
                total = total.to(pull) + pull.sum() / 2
        return total

    @torch.no_grad()
    def follow_growth(self, change: IndexMap, prefix: str, source: str) -> None:
        """Go with a network that has grown or been pruned: newborn units are of no importance.

        Called by `CGaPPlugin`, behind this plugin, where a task label returns. A weight that a
        split has changed keeps its way to its anchor; one that stayed keeps its anchor's bits.

        Args:
            change: What was done to its column.
            prefix: What the model's names of parameters have before those of the column.
            source: The same of the names so far.
        """
        self._held = []
        for tensor in change.tensors:
            name, before = prefix + tensor.name, source + tensor.name
            for values in self._per_weight():
                if before in values:
                    values[name] = tensor.carry(values.pop(before))
            places = [values for values in self._places() if before in values]
            if places:
                moved = tensor.new.detach() - tensor.carry(tensor.old.detach(), newborn=None)
                for values in places:
                    values[name] = tensor.carry(values.pop(before), newborn=None) + moved

    def _per_weight(self) -> list[Named]:
        """What is added up for each weight, of a newborn 0; a subclass adds its own."""
        return [self.importance, self._stiffness]

    def _places(self) -> list[Named]:
        """Weights as they once were; likewise."""
        return [self.anchor]

    def state_dict(self) -> dict[str, Any]:
        """Importances and anchors, tensors by name."""
        return {"importance": dict(self.importance), "anchor": dict(self.anchor)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.settle(dict(state["importance"]), dict(state["anchor"]))


def weights_of(model: nn.Module) -> Named:
    """Copies of all parameters: on the CPU a view would move with the model."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def summed(old: Named, new: Named, decay: float = 1.0) -> Named:
    """Sum of importances, the old ones decayed; what one side lacks counts as zero."""
    total = dict(new)
    for name, values in old.items():
        total[name] = decay * values + new[name] if name in new else decay * values
    return total
