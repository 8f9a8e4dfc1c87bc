"""Saliency: one score per unit from its incoming weights and their gradients. Pure.

A score takes the tensors through which a unit is made (its row in every layer that produces it,
laterals included, and its batch norm's scale) and returns one number per unit. Scores of one
unit add up over layers and over the batches of an interval.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.layout import Axis, Kind, LayerLayout
from cgap_cl.blocks.observing import Activities


@dataclass(frozen=True)
class Rows:
    """One tensor whose first axis runs over units, with its gradient (None: no backward pass).

    Attributes:
        weight: ``(units, ...)``.
        grad: like ``weight``.
        norm: True for a batch norm's scale, False for incoming weights.
        activity: True for what the unit's consumers read of it (no weight, no gradient).
    """

    weight: Tensor
    grad: Tensor | None
    norm: bool = False
    activity: bool = False

    @property
    def incoming(self) -> bool:
        """Whether these are weights through which the unit is made."""
        return not self.norm and not self.activity


Score = Callable[[Sequence[Rows]], Tensor]


@runtime_checkable
class ObservingScore(Protocol):
    """A score that also needs what is read of the units."""

    def observe(self, column: Block) -> Activities:
        """Begin to note it."""
        ...


@runtime_checkable
class DrawingScore(Protocol):
    """A score that draws; its generator is part of a checkpoint."""

    generator: torch.Generator


def _summed(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1) if values.dim() > 1 else values


def _need(rows: Rows) -> Tensor:
    if rows.grad is None:
        raise ValueError("this score needs gradients: call it after backward")
    return rows.grad


def weight_gradient(rows: Sequence[Rows]) -> Tensor:
    """Sum over a unit's incoming weights of ``|w * dL/dw|``, element by element.

    After the first author's public code (continual_learning_PST,
    sensitivity_rank_taylor_filter). Not the absolute value of the signed sum: before a batch
    norm that is zero up to rounding.
    """
    return sum_over(_summed((r.weight * _need(r)).abs()) for r in rows if r.incoming)


def magnitude(rows: Sequence[Rows]) -> Tensor:
    """Sum of ``|w|`` (Li et al., ICLR 2017)."""
    return sum_over(_summed(r.weight.abs()) for r in rows if r.incoming)


def taylor(rows: Sequence[Rows]) -> Tensor:
    """Sum of ``(w * dL/dw)^2`` (Molchanov et al., CVPR 2019, equation 8)."""
    return sum_over(_summed((r.weight * _need(r)).square()) for r in rows if r.incoming)


def norm_taylor(rows: Sequence[Rows]) -> Tensor:
    """``(gamma * dL/dgamma)^2`` of the unit's batch norms (Molchanov et al. 2019).

    :func:`taylor` where there is no batch norm.
    """
    norms = [r for r in rows if r.norm]
    if not norms:
        return taylor(rows)
    return sum_over(_summed((r.weight * _need(r)).square()) for r in norms)


class Activation:
    """Mean absolute value of what a unit's consumers read of it, summed over the consumers."""

    def observe(self, column: Block) -> Activities:
        """Begin to note what the layers read."""
        return Activities(column)

    def __call__(self, rows: Sequence[Rows]) -> Tensor:
        """``(units,)``."""
        read = [r.weight for r in rows if r.activity]
        if not read:
            raise ValueError(
                "this score needs what the layers read: give score_units the activities that "
                "its observe() noted in a forward pass"
            )
        return sum_over(_summed(weight) for weight in read)


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


def unit_rows(column: Block, group: str, activities: Activities | None = None) -> list[Rows]:
    """The tensors through which the units of a group are made, first axis in units.

    Where a unit fills several rows of a tensor, they are gathered into one.

    Args:
        column: the block that holds the units.
        group: of the units.
        activities: what the layers read, for scores that need it.
    """
    rows: list[Rows] = []
    for layer in column.layout.layers:
        for part in _parts(column, layer):
            rows += _of_group(part, layer.outputs, group, column, layer.kind is Kind.NORM)
    return rows + ([] if activities is None else _read(column, group, activities))


def _parts(column: Block, layer: LayerLayout) -> list[Tensor]:
    """The weights of a layer whose first axis runs over its outputs."""
    if layer.dense:
        module = column.layer(layer.name)
        return [module.own.weight, *(lateral.op.weight for _, lateral in module.sources())]
    weight = column.body.get_submodule(layer.name).weight
    return [weight] if isinstance(weight, Tensor) else []  # a norm may have no scale


def _read(column: Block, group: str, activities: Activities) -> list[Rows]:
    """What the consumers of a group last read of its units."""
    rows: list[Rows] = []
    for layer in column.layout.layers:
        mean = activities.means.get(layer.name)
        if mean is not None:
            parts = _of_group(mean, layer.inputs, group, column, norm=False)
            rows += [Rows(part.weight, None, activity=True) for part in parts]
    return rows


def _of_group(part: Tensor, axis: Axis, group: str, column: Block, norm: bool) -> list[Rows]:
    """The stretches of a tensor that belong to a group, one row a unit."""
    rows = []
    for segment, start, stop in axis.spans(column.widths):
        if segment.group != group:
            continue
        # a vector with one entry a unit stays a vector; all else becomes (units, ...)
        flat = part.dim() == 1 and segment.repeat == 1
        shape = (-1,) if flat else (column.widths[group], -1)
        grad = None if part.grad is None else part.grad[start:stop].reshape(shape)
        rows.append(Rows(part.detach()[start:stop].reshape(shape), grad, norm))
    return rows


def score_units(
    column: Block, score: Score, activities: Activities | None = None
) -> dict[str, Tensor]:
    """Scores of all units, ``(units,)`` per group; arguments as in :func:`unit_rows`."""
    return {
        group: score(unit_rows(column, group, activities)).detach() for group in column.widths
    }
