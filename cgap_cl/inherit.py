"""Inheritance: a column begins as an older block, a revisited head as the old head.

What a column takes over unchanged it may *share*: read from the parent, neither stored nor
computed again. Shared or copied, the column begins as the same function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cgap_cl.column import Block, PlasticLayer, connect
from cgap_cl.errors import unknown
from cgap_cl.layout import LayerLayout, Layout
from cgap_cl.plan import UnitMap, positions

STATE = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the parent, or of the seed.
        parent: block whose weights it inherits; None: fresh weights.
        trunk: older blocks that it may read.
        layers: names of the layers with lateral inputs; None: all that may have them.
        share: units of the parent that the column reads instead of owning a copy, per group;
            at least one unit of every group is copied.
    """

    widths: Mapping[str, int] | None = None
    parent: int | None = None
    trunk: Sequence[int] = ()
    layers: Sequence[str] | None = None
    share: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def check(self, layout: Layout, n_merged: int) -> None:
        """Raise ValueError where a block, group or layer is named that is not there."""
        named = (*self.trunk, *(() if self.parent is None else (self.parent,)))
        for index in named:
            if not 0 <= index < n_merged:
                raise ValueError(unknown("block", index, range(n_merged)))
        if self.widths is not None:
            for group in {*self.widths, *layout.widths}:
                if group not in layout.widths or self.widths.get(group, 0) < 1:
                    raise ValueError(
                        f"widths must give at least 1 unit to each of "
                        f"{', '.join(layout.widths)}; '{group}' has {self.widths.get(group)}"
                    )
        _check_names("group to share", self.share, layout.widths)
        _check_names("layer for laterals", self.lateral_layers(layout), layout.lateral_names)

    def lateral_layers(self, layout: Layout) -> Sequence[str]:
        """The layers with lateral inputs."""
        return layout.lateral_names if self.layers is None else self.layers


def _check_names(what: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known))


def kept_units(parent: Block, share: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Units of the parent that a column copies: all that it does not share.

    Raises:
        ValueError: a unit is not there, or a group would have no unit of its own.
    """
    kept = {}
    for group, width in parent.widths.items():
        gone = set(share.get(group, ()))
        if not gone <= set(range(width)) or len(gone) == width:
            raise ValueError(
                f"share: '{group}' has units 0 to {width - 1}, of which one or more must be "
                f"copied; asked for {sorted(gone)}"
            )
        kept[group] = [unit for unit in range(width) if unit not in gone]
    return kept


@torch.no_grad()
def copy_units(
    column: Block,
    parent: Block,
    blocks: Sequence[Block],
    share: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Begin a column as its parent; only its head stays fresh.

    Weights, statistics and laterals are copied for the units that are not shared; the shared
    ones become lateral inputs from the parent, read with the parent's weights.

    Args:
        column: a fresh column, as wide as the units that it copies.
        parent: an older block.
        blocks: all blocks, by index.
        share: units of the parent to share, per group.

    Raises:
        ValueError: the widths do not fit.
    """
    kept = kept_units(parent, share or {})
    if column.widths != {group: len(units) for group, units in kept.items()}:
        raise ValueError(
            f"a column inherits at its parent's widths: {column.widths} is not {parent.widths}"
        )
    maps = {
        group: UnitMap(tuple(units), (False,) * len(units)) for group, units in kept.items()
    }
    for layer in column.layout.layers:
        if layer.dense:
            _copy_dense(column, parent, blocks, layer, maps)
            continue
        channels, _ = positions(layer.inputs, parent.widths, maps)
        mine, theirs = (b.body.get_submodule(layer.name) for b in (column, parent))
        for name in STATE:
            value = getattr(theirs, name, None)
            if value is not None:
                getattr(mine, name).copy_(value[channels.to(value.device)])


def _copy_dense(
    column: Block,
    parent: Block,
    blocks: Sequence[Block],
    layer: LayerLayout,
    maps: Mapping[str, UnitMap],
) -> None:
    """Own weights, inherited laterals, and a lateral for what is shared."""
    if layer.name == column.layout.head:
        _share_features(column, parent, blocks, layer, maps)
        return
    mine, theirs = column.layer(layer.name), parent.layer(layer.name)
    device = theirs.own.weight.device
    rows = positions(layer.outputs, parent.widths, maps)[0].to(device)
    columns = positions(layer.inputs, parent.widths, maps)[0].to(device)
    weight = theirs.own.weight[rows]
    mine.own.weight.copy_(weight[:, columns])
    if mine.own.bias is not None and theirs.own.bias is not None:
        mine.own.bias.copy_(theirs.own.bias[rows])
    for source, lateral in theirs.sources():
        _read(mine, blocks[source], lateral.index, lateral.op.weight[rows])
    shared = _complement(columns, weight.shape[1])
    if len(shared):
        _read(mine, parent, shared, weight[:, shared])


def _share_features(
    column: Block,
    parent: Block,
    blocks: Sequence[Block],
    layer: LayerLayout,
    maps: Mapping[str, UnitMap],
) -> None:
    """The fresh head reads what the parent's head reads, shared units included."""
    mine, theirs = column.head, parent.head
    columns, _ = positions(layer.inputs, parent.widths, maps)
    shared = _complement(columns.to(theirs.own.weight.device), theirs.own.weight.shape[1])
    reads = [(blocks[source], lateral.index) for source, lateral in theirs.sources()]
    for source, index in [*reads, *([(parent, shared)] if len(shared) else [])]:
        shape = (mine.own.weight.shape[0], len(index), *mine.own.weight.shape[2:])
        scale = mine.own.weight.std(unbiased=False)
        _read(mine, source, index, scale * torch.randn(shape).to(mine.own.weight))


def _complement(chosen: Tensor, n: int) -> Tensor:
    """The positions of 0 to n - 1 that are not chosen, ascending."""
    left = torch.ones(n, dtype=torch.bool, device=chosen.device)
    left[chosen] = False
    return left.nonzero().flatten()


def _read(layer: PlasticLayer, source: Block, index: Tensor, weight: Tensor) -> None:
    """Read positions of an older block, beside what is read of it already."""
    older = dict(layer.sources()).get(source.index)
    lateral = older if older is not None and len(older.index) == older.n_source else None
    if lateral is None:
        lateral = connect(layer, source, index)
        lateral.op.weight.copy_(weight)
    else:
        lateral.op.weight[:, index] = weight


@torch.no_grad()
def extend_head(column: Block, blocks: Sequence[Block], older: int) -> None:
    """Start the head of a revisited label as the old head, reading the units that it read.

    The logits of old classes are those of the old subnetwork until training changes them; new
    classes start on the column's own units.

    Args:
        column: the new column; its head has at least as many classes.
        blocks: all blocks, by index.
        older: the block whose head the label had.
    """
    head, old = column.head, blocks[older].head
    n_old = old.own.weight.shape[0]
    head.own.weight[:n_old] = 0
    if head.own.bias is not None and old.own.bias is not None:
        head.own.bias[:n_old] = old.own.bias
    connect(head, blocks[older]).op.weight[:n_old] = old.own.weight
    for source, lateral in old.sources():
        connect(head, blocks[source], lateral.index).op.weight[:n_old] = lateral.op.weight
