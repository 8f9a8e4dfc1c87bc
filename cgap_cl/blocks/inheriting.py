"""Inheritance: a column begins as an older block.

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
from cgap_cl.blocks.layout import CHANNEL_TENSORS, Axis, LayerLayout, Layout
from cgap_cl.errors import unknown


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the ancestor, or of the seed.
        ancestor: block whose weights it inherits; None: fresh weights.
        share: units of the ancestor that the column reads instead of owning a copy, per group;
            at least one unit of every group is copied.

    >>> Birth(ancestor=0, share={"conv1": (0, 1)})  # two units are read from block 0
    Birth(widths=None, ancestor=0, share={'conv1': (0, 1)})
    """

    widths: Mapping[str, int] | None = None
    ancestor: int | None = None
    share: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Inheritance:
    """A birth looked up among the older blocks: all that it names is there, and fits.

    Attributes:
        widths: of the column.
        blocks: the older blocks, by index.
        ancestor: None: the column keeps its fresh weights.
        copied: units of the ancestor that the column has copies of, per group.
    """

    widths: Mapping[str, int]
    blocks: Sequence[Block]
    ancestor: Block | None
    copied: Mapping[str, Sequence[int]]

    @classmethod
    def of(
        cls, birth: Birth, layout: Layout, blocks: Sequence[Block], seed: Mapping[str, int]
    ) -> Inheritance:
        """Look a birth up.

        Args:
            birth: how the column begins.
            layout: of the network.
            blocks: the older blocks, by index.
            seed: widths where the birth names neither widths nor an ancestor.

        Raises:
            ValueError: a block, group or unit is named that is not there, or widths do not fit.
        """
        named = () if birth.ancestor is None else (birth.ancestor,)
        _check_names("block", named, range(len(blocks)))
        _check_names("group to share", birth.share, layout.widths)
        if birth.widths is not None:
            _check_widths(birth.widths, layout.widths)

        if birth.ancestor is None:
            return cls(birth.widths or seed, blocks, None, {})
        ancestor = blocks[birth.ancestor]
        copied = _copied_units(ancestor, birth.share)
        widths = {group: len(units) for group, units in copied.items()}
        if birth.widths not in (None, widths):
            raise ValueError(
                f"a column inherits at its ancestor's widths: {birth.widths} is not {widths}"
            )
        return cls(widths, blocks, ancestor, copied)

    @torch.no_grad()
    def endow(self, column: Block, continues: bool = False) -> None:
        """Give a fresh column of these widths what it inherits.

        Weights, statistics and laterals are copied for the units that are not shared; the
        shared ones become lateral inputs from the ancestor, read with the ancestor's weights.
        The head stays fresh, unless it continues the ancestor's.

        Args:
            column: of these widths.
            continues: whether the first outputs of its head are those of the ancestor's.
        """
        if self.ancestor is None:
            return

        maps = {
            group: UnitMap(tuple(units), (False,) * len(units))
            for group, units in self.copied.items()
        }
        copying = _Copying(column, self.ancestor, self.blocks, maps)
        for layer in column.layout.layers:
            if layer.name == column.layout.head:
                copying.head(layer)
                if continues:
                    copying.old_classes(layer)
            elif layer.dense:
                copying.dense(layer)
            else:
                copying.per_channel(layer)


def _check_names(what: str, names: Iterable[object], known: Collection[object]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known))


def _check_widths(widths: Mapping[str, int], groups: Mapping[str, int]) -> None:
    for group in {*widths, *groups}:
        if group not in groups or widths.get(group, 0) < 1:
            raise ValueError(
                f"widths must give at least 1 unit to each of {', '.join(groups)}; "
                f"'{group}' has {widths.get(group)}"
            )


def _copied_units(ancestor: Block, share: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Units of the ancestor that a column copies: all that it does not share.

    Raises:
        ValueError: a unit is not there, or a group would have no unit of its own.
    """
    copied = {}
    for group, width in ancestor.widths.items():
        gone = set(share.get(group, ()))
        if not gone <= set(range(width)) or len(gone) == width:
            raise ValueError(
                f"share: '{group}' has units 0 to {width - 1}, of which one or more must be "
                f"copied; asked for {sorted(gone)}"
            )
        copied[group] = [unit for unit in range(width) if unit not in gone]
    return copied


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
        for name in CHANNEL_TENSORS:
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
            # as large as its own weights: what is read of others counts as much as what is not
            fresh = torch.randn((own.shape[0], len(index), *own.shape[2:])).to(own)
            _read(self.column.head, source, index, own.std(unbiased=False) * fresh)

    def old_classes(self, layer: LayerLayout) -> None:
        """The head's first outputs become those of the ancestor's head."""
        mine, theirs = self.column.head, self.ancestor.head
        weight, columns = theirs.own.weight, self.copied(layer.inputs)
        n_old = len(weight)
        mine.own.weight[:n_old] = weight[:, columns]
        if mine.own.bias is not None and theirs.own.bias is not None:
            mine.own.bias[:n_old] = theirs.own.bias

        laterals = dict(mine.sources())
        for source, lateral in theirs.sources():
            laterals[source].op.weight[:n_old] = lateral.op.weight
        shared = _complement(columns, weight.shape[1])
        if len(shared):
            laterals[self.ancestor.index].op.weight[:n_old] = weight[:, shared]


def _complement(chosen: Tensor, n: int) -> Tensor:
    """The positions of 0 to n - 1 that are not chosen, ascending."""
    left = torch.ones(n, dtype=torch.bool, device=chosen.device)
    left[chosen] = False
    return left.nonzero().flatten()


def _read(layer: PlasticLayer, source: Block, index: Tensor, weight: Tensor) -> None:
    """Read positions of an older block, with the weights given."""
    connect(layer, source, index).op.weight.copy_(weight)
