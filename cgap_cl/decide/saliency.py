"""Saliency: one score per unit from its incoming weights and their gradients. Pure.

A score takes the weights through which a unit is made (its row in every layer that produces it,
laterals included) and returns one number per unit. Scores of one unit add up over layers and
over the batches of an interval.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cgap_cl.blocks import kinds
from cgap_cl.blocks.block import Block
from cgap_cl.blocks.layout import Axis, LayerLayout


@dataclass(frozen=True)
class Rows:
    """Incoming weights of units, first axis over units, and gradients (None: no backward pass).

    Attributes:
        weight: ``(units, weights of one)``.
        grad: like ``weight``.
    """

    weight: Tensor
    grad: Tensor | None


Score = Callable[[Sequence[Rows]], Tensor]


def weight_gradient(rows: Sequence[Rows]) -> Tensor:
    """Sum over a unit's incoming weights of ``|w * dL/dw|``, element by element.

    After the first author's public code (continual_learning_PST,
    sensitivity_rank_taylor_filter). Not the absolute value of the signed sum: before a batch
    norm that is zero up to rounding.

    Raises:
        ValueError: there are no gradients.
    """
    return sum_over((r.weight * _gradient(r)).abs().sum(1) for r in rows)


def magnitude(rows: Sequence[Rows]) -> Tensor:
    """Sum of ``|w|`` (Li et al., ICLR 2017)."""
    return sum_over(r.weight.abs().sum(1) for r in rows)


class RandomScore:
    """Uniform scores from a seeded generator: the control for every other score."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, rows: Sequence[Rows]) -> Tensor:
        """``(units,)`` in [0, 1)."""
        return torch.rand(len(rows[0].weight), generator=self.generator).to(rows[0].weight)


def sum_over(values: Iterable[Tensor]) -> Tensor:
    """Sum of one or more tensors of one shape."""
    return functools.reduce(torch.add, values)


def _gradient(rows: Rows) -> Tensor:
    if rows.grad is None:
        raise ValueError("this score needs gradients: call it after backward")
    return rows.grad


def unit_rows(column: Block, group: str) -> list[Rows]:
    """The weights through which the units of a group are made, first axis in units.

    Where a unit fills several rows of a tensor, they are gathered into one.
    """
    rows: list[Rows] = []
    for layer in column.layout.layers:
        if layer.multiplies:
            for weight in _weights(column, layer):
                rows += _of_group(weight, layer.outputs, group, column)
    return rows


Weight = tuple[Tensor, Tensor | None]  # its first axis in outputs, and its gradient


def _weights(column: Block, layer: LayerLayout) -> list[Weight]:
    """The weights of a layer whose first axis runs over its outputs."""
    if layer.dense:
        module = column.layer(layer.name)
        own, laterals = module.own, (lateral.op.weight for _, lateral in module.sources())
        return [
            (kinds.rows(own, w), None if w.grad is None else kinds.rows(own, w.grad))
            for w in (own.weight, *laterals)
        ]
    weight = column.body.get_submodule(layer.name).weight
    assert isinstance(weight, Tensor)
    return [(weight, weight.grad)]


def _of_group(part: Weight, axis: Axis, group: str, column: Block) -> list[Rows]:
    """The stretches of a weight that belong to a group, one row a unit."""
    rows, (weight, gradient) = [], part
    for segment, start, stop in axis.spans(column.widths):
        if segment.group == group:
            shape = (column.widths[group], -1)
            grad = None if gradient is None else gradient[start:stop].reshape(shape)
            rows.append(Rows(weight.detach()[start:stop].reshape(shape), grad))
    return rows


def score_units(column: Block, score: Score) -> dict[str, Tensor]:
    """Scores of all units, ``(units,)`` per group."""
    return {group: score(unit_rows(column, group)).detach() for group in column.widths}
