"""Inheritance: a column begins as an older block, a revisited head as the old head.

What a column takes over unchanged it may *share*: read from the ancestor, neither stored nor
computed again. Shared or copied, the column begins as the same function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block, PlasticLayer, connect
from cgap_cl.blocks.index_maps import UnitMap, positions
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout
from cgap_cl.errors import unknown

STATE = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the ancestor, or of the seed.
        ancestor: block whose weights it inherits; None: fresh weights.
        trunk: older blocks that it may read.
        layers: names of the layers with lateral inputs; None: all that may have them.
        share: units of the ancestor that the column reads instead of owning a copy, per group;
            at least one unit of every group is copied.
    """

    widths: Mapping[str, int] | None = None
    ancestor: int | None = None
    trunk: Sequence[int] = ()
    layers: Sequence[str] | None = None
    share: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def check(self, layout: Layout, n_merged: int) -> None:
        """Raise ValueError where a block, group or layer is named that is not there."""
        named = (*self.trunk, *(() if self.ancestor is None else (self.ancestor,)))
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


def kept_units(ancestor: Block, share: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Units of the ancestor that a column copies: all that it does not share.

    Raises:
        ValueError: a unit is not there, or a group would have no unit of its own.
    """
    kept = {}
    for group, width in ancestor.widths.items():
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
    ancestor: Block,
    blocks: Sequence[Block],
    share: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Begin a column as its ancestor; only its head stays fresh.

    Weights, statistics and laterals are copied for the units that are not shared; the shared
    ones become lateral inputs from the ancestor, read with the ancestor's weights.

    Args:
        column: a fresh column, as wide as the units that it copies.
        ancestor: an older block.
        blocks: all blocks, by index.
        share: units of the ancestor to share, per group.

    Raises:
        ValueError: the widths do not fit.
    """
    kept = kept_units(ancestor, share or {})
    if column.widths != {group: len(units) for group, units in kept.items()}:
        raise ValueError(
            f"a column inherits at its ancestor's widths: {column.widths} is not "
            f"{ancestor.widths}"
        )
    maps = {
        group: UnitMap(tuple(units), (False,) * len(units)) for group, units in kept.items()
    }
    copying = _Copying(column, ancestor, blocks, maps)
    for layer in column.layout.layers:
        if layer.name == column.layout.head:
            copying.head(layer)
        elif layer.dense:
            copying.dense(layer)
        else:
            copying.per_channel(layer)


@dataclass(frozen=True)
class _Copying:
    """One column that begins as its ancestor: which units are copied, and from where."""

    column: Block
    ancestor: Block
    blocks: Sequence[Block]
    maps: Mapping[str, UnitMap]

    def copied(self, axis: Axis) -> Tensor:
        """Positions of the ancestor's axis that are copied, ascending."""
        chosen, _ = positions(axis, self.ancestor.widths, self.maps)
        return chosen.to(self.ancestor.head.own.weight.device)

    def per_channel(self, layer: LayerLayout) -> None:
        """Batch norm or depthwise convolution."""
        channels = self.copied(layer.inputs)
        mine, theirs = (b.body.get_submodule(layer.name) for b in (self.column, self.ancestor))
        for name in STATE:
            value = getattr(theirs, name, None)
            if value is not None:
                getattr(mine, name).copy_(value[channels])

    def dense(self, layer: LayerLayout) -> None:
        """Own weights, inherited laterals, and a lateral for what is shared."""
        mine, theirs = self.column.layer(layer.name), self.ancestor.layer(layer.name)
        rows, columns = self.copied(layer.outputs), self.copied(layer.inputs)
        weight = theirs.own.weight[rows]
        mine.own.weight.copy_(weight[:, columns])
        if mine.own.bias is not None and theirs.own.bias is not None:
            mine.own.bias.copy_(theirs.own.bias[rows])
        for source, lateral in theirs.sources():
            _read(mine, self.blocks[source], lateral.index, lateral.op.weight[rows])
        shared = _complement(columns, weight.shape[1])
        if len(shared):
            _read(mine, self.ancestor, shared, weight[:, shared])

    def head(self, layer: LayerLayout) -> None:
        """The fresh head reads what the ancestor's head reads, shared units included."""
        own, theirs = self.column.head.own.weight, self.ancestor.head
        shared = _complement(self.copied(layer.inputs), theirs.own.weight.shape[1])
        reads = [(self.blocks[source], lateral.index) for source, lateral in theirs.sources()]
        if len(shared):
            reads.append((self.ancestor, shared))
        for source, index in reads:
            fresh = torch.randn((own.shape[0], len(index), *own.shape[2:])).to(own)
            _read(self.column.head, source, index, own.std(unbiased=False) * fresh)


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
    for part in (head.own, *(lateral.op for _, lateral in head.sources())):
        part.weight[:n_old] = 0
    if head.own.bias is not None and old.own.bias is not None:
        head.own.bias[:n_old] = old.own.bias
    connect(head, blocks[older]).op.weight[:n_old] = old.own.weight
    for source, lateral in old.sources():
        connect(head, blocks[source], lateral.index).op.weight[:n_old] = lateral.op.weight
