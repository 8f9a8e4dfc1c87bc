"""Apply a Plan to a column in place; the only writer of structure.

Every tensor is gathered by index, new from old, so survivors keep their bits. Newborns then get
their values. Optimizer state is not touched here:
:mod:`cgap_cl.change.optimizer_state` carries it with the IndexMap returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cgap_cl.blocks.block import Block, PlasticLayer
from cgap_cl.blocks.index_maps import IndexMap, PositionMap, TensorChange, UnitMap, positions
from cgap_cl.blocks.kinds import (
    TRANSPOSED,
    Dense,
    Kind,
    channel_tensors,
    kind_of,
    rows,
    set_sizes,
)
from cgap_cl.blocks.layout import Axis, LayerLayout
from cgap_cl.change.newborn import DEFAULT_NEWBORN, NewbornValues, outgoing
from cgap_cl.change.plan import Plan


@dataclass
class _Operation:
    """One application of a plan: what every step of it needs, and the changes so far."""

    column: Block
    units: Mapping[str, UnitMap]
    newborn: NewbornValues
    generator: torch.Generator
    changes: list[TensorChange] = field(default_factory=list)

    def axis(self, axis: Axis) -> PositionMap:
        """The change of one axis of a layer."""
        return positions(axis, self.column.widths, self.units)

    def swap(
        self,
        owner: nn.Module,
        name: str,
        new: Tensor,
        axes: Mapping[int, PositionMap],
        prefix: str,
    ) -> None:
        """Replace a parameter or buffer and note the change."""
        old: Tensor = getattr(owner, name)
        if isinstance(old, nn.Parameter):
            new = nn.Parameter(new.contiguous(), requires_grad=old.requires_grad)
        setattr(owner, name, new)
        self.changes.append(TensorChange(f"{prefix}.{name}", old, new, axes))


@torch.no_grad()
def apply(
    column: Block,
    plan: Plan,
    newborn: NewbornValues = DEFAULT_NEWBORN,
    generator: torch.Generator | None = None,
) -> IndexMap:
    """Change a column as planned.

    Args:
        column: the block that is learning; changed in place.
        plan: what to grow and prune, in units of the present widths.
        newborn: values of newborn units.
        generator: CPU generator for them; a fixed seed by default.

    Returns:
        The map from old to new units and tensors.

    Raises:
        ValueError: the plan names units that are not there, or empties a group.
    """
    plan.check(column.widths)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    changed = [g for g in column.widths if g in plan.grow or g in plan.prune]
    units = {group: plan.unit_map(group, column.widths[group]) for group in changed}
    op = _Operation(column, units, newborn, generator)
    _change_units(op)
    return IndexMap(units, tuple(op.changes))


def _change_units(op: _Operation) -> None:
    """Resize every layer that makes or reads a group that changes."""
    column = op.column
    for layer in column.layout.layers:
        if any(segment.group in op.units for segment in (*layer.inputs, *layer.outputs)):
            if layer.dense:
                _resize_dense(op, layer, column.layer(layer.name))
            else:
                _resize_per_channel(op, layer)

    for group, change in op.units.items():  # not before: axes are read at the old widths
        column.widths[group] = len(change.source)


def _resize_dense(op: _Operation, layer: LayerLayout, module: PlasticLayer) -> None:
    """Rows and columns of a conv or linear layer, and the rows of its laterals."""
    head = layer.name == op.column.layout.head
    made = None if head else op.axis(layer.outputs)
    columns = op.axis(layer.inputs)
    prefix = f"body.{layer.name}"

    own = module.own
    weight = _rows(op, rows(own, own.weight.detach()), made)
    weight = _fan_out(op, columns.gather(weight, 1), columns)
    _swap_weight(op, own, weight, (made, columns), f"{prefix}.own")

    if made is not None:
        if own.bias is not None:
            op.swap(own, "bias", made.gather(own.bias, 0), {0: made}, f"{prefix}.own")
        for source, lateral in module.sources():
            weight = _rows(op, rows(own, lateral.op.weight.detach()), made)
            name = f"{prefix}.laterals.{source}.op"
            _swap_weight(op, lateral.op, weight, (made, None), name)


def _swap_weight(
    op: _Operation,
    part: Dense,
    weight: Tensor,
    moved: tuple[PositionMap | None, PositionMap | None],
    prefix: str,
) -> None:
    """Give a conv or linear layer another weight ``(out, in, ...)``, whose ends moved so."""
    moved = moved[::-1] if isinstance(part, TRANSPOSED) else moved
    axes = {axis: change for axis, change in enumerate(moved) if change is not None}
    op.swap(part, "weight", rows(part, weight), axes, prefix)
    set_sizes(part, kind_of(part), weight.shape[1], weight.shape[0])


def _rows(op: _Operation, weight: Tensor, made: PositionMap | None) -> Tensor:
    """Rows of a weight ``(out, in, ...)``: survivors kept, newborns given values."""
    if made is None:
        return weight
    new = made.gather(weight, 0)
    if bool(made.newborn.any()):
        born = made.newborn.to(weight.device)
        new[born] = op.newborn.incoming(new[born], weight, op.generator)
    return new


def _fan_out(op: _Operation, weight: Tensor, columns: PositionMap) -> Tensor:
    """Outgoing weights of parents and newborns, where any was born."""
    if not bool(columns.newborn.any()):
        return weight
    # how many columns share the source of each: a parent and its newborns
    _, inverse, counts = columns.source.unique(return_inverse=True, return_counts=True)
    return outgoing(weight, counts[inverse], columns.newborn, op.newborn.fan_out)


def _resize_per_channel(op: _Operation, layer: LayerLayout) -> None:
    """What is not dense: copies for newborns, the statistics of norms included."""
    channels, body = op.axis(layer.inputs), op.column.body
    for owner, name in channel_tensors(body, layer.name, layer.kind):
        new = channels.gather(getattr(owner, name).detach(), 0)
        bare = layer.kind is Kind.PARAMETER
        prefix = f"body.{layer.name.rpartition('.')[0] if bare else layer.name}".rstrip(".")
        op.swap(owner, name, new, {0: channels}, prefix)
    if layer.kind not in (Kind.PARAMETER, Kind.SCALAR):
        n = len(channels.source)
        set_sizes(body.get_submodule(layer.name), layer.kind, n, n)
