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
from cgap_cl.blocks.kinds import Kind, channel_tensors, rows
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout
from cgap_cl.errors import unknown


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the ancestor, or of the seed.
        ancestor: block whose weights it inherits; None: fresh weights.
        share: units of the ancestor that the column reads instead of owning a copy, per group;
            at least one unit of every group is copied.
        given: units of the pretrained network whose weights it starts with, per group; the
            first column alone. Its head is new.

    >>> Birth(ancestor=0, share={"conv1": (0, 1)})  # two units are read from block 0
    Birth(widths=None, ancestor=0, share={'conv1': (0, 1)}, given=None)
    """

    widths: Mapping[str, int] | None = None
    ancestor: int | None = None
    share: Mapping[str, Sequence[int]] = field(default_factory=dict)
    given: Mapping[str, Sequence[int]] | None = None


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
        cls,
        birth: Birth,
        layout: Layout,
        blocks: Sequence[Block],
        seed: Mapping[str, int],
        given: Block | None = None,
    ) -> Inheritance:
        """Look a birth up.

        Args:
            birth: how the column begins.
            layout: of the network.
            blocks: the older blocks, by index.
            seed: widths where the birth names neither widths nor an ancestor.
            given: the pretrained network at full width, while there are no older blocks.

        Raises:
            ValueError: a block, group or unit is named that is not there, or widths do not fit.
        """
        named = () if birth.ancestor is None else (birth.ancestor,)
        _check_names("block", named, range(len(blocks)))
        _check_names("group to share", birth.share, layout.widths)
        if birth.widths is not None:
            _check_widths(birth.widths, layout.widths)

        if birth.given is not None or (given is not None and birth == Birth()):
            copied = _given_units(given, birth.given)
            widths = {group: len(units) for group, units in copied.items()}
            return cls(widths, blocks, given, copied)
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
        if gone and ancestor.layout.normed_with(group):
            raise ValueError(
                f"share: each block norms its own units of '{group}', so all of them are copied"
            )
        copied[group] = [unit for unit in range(width) if unit not in gone]
    return copied


def _given_units(
    given: Block | None, units: Mapping[str, Sequence[int]] | None
) -> dict[str, list[int]]:
    """Units of the pretrained network that the first column copies.

    Raises:
        ValueError: none are named, there is no such network, a unit is not there, or a group
            has none.
    """
    if units is None:
        raise ValueError(
            "the network is pretrained: name the units that the first column starts from, "
            "Birth(given=...), or let GrowthLoop (the plugin) choose them"
        )
    if given is None:
        raise ValueError(
            "only the first column of PlasticNetwork(..., pretrained=True) starts from units "
            f"of the network given; asked for {dict(units)}"
        )
    _check_widths({group: len(chosen) for group, chosen in units.items()}, given.widths)
    for group, width in given.widths.items():
        _check_names(f"unit of '{group}'", units[group], range(width))
    return {group: sorted(units[group]) for group in given.widths}


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

    def shared(self, chosen: Tensor, n: int) -> Tensor:
        """Of n positions those that are not copied but read, ascending."""
        left = torch.full((n,), self.ancestor in self.blocks, device=chosen.device)
        left[chosen] = False
        return left.nonzero().flatten()

    def per_channel(self, layer: LayerLayout) -> None:
        """What is not dense: batch norm, depthwise convolution, layer scale."""
        channels = self.copied(layer.inputs)
        mine, theirs = (
            channel_tensors(block.body, layer.name, layer.kind)
            for block in (self.column, self.ancestor)
        )
        for (owner, name), (source, _) in zip(mine, theirs, strict=True):
            getattr(owner, name).copy_(getattr(source, name)[channels])
        if layer.kind is Kind.SCALAR:
            older = self.ancestor.body.get_submodule(layer.name)
            self.column.body.get_submodule(layer.name).load_state_dict(older.state_dict())

    def dense(self, layer: LayerLayout) -> None:
        """Own weights, inherited laterals, and a lateral for what is shared."""
        mine, theirs = self.column.layer(layer.name), self.ancestor.layer(layer.name)
        made, columns = self.copied(layer.outputs), self.copied(layer.inputs)

        weight = rows(theirs.own, theirs.own.weight)[made]
        rows(mine.own, mine.own.weight).copy_(weight[:, columns])
        if mine.own.bias is not None and theirs.own.bias is not None:
            mine.own.bias.copy_(theirs.own.bias[made])

        for source, lateral in theirs.sources():
            read = rows(theirs.own, lateral.op.weight)[made]
            _read(mine, self.blocks[source], lateral.index, read)
        shared = self.shared(columns, weight.shape[1])
        if len(shared):
            _read(mine, self.ancestor, shared, weight[:, shared])

    def head(self, layer: LayerLayout) -> None:
        """The fresh head reads what the ancestor's head reads, shared units included."""
        own, theirs = self.column.head.own.weight, self.ancestor.head
        shared = self.shared(self.copied(layer.inputs), theirs.own.weight.shape[1])
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
        shared = self.shared(columns, weight.shape[1])
        if len(shared):
            laterals[self.ancestor.index].op.weight[:n_old] = weight[:, shared]


def _read(layer: PlasticLayer, source: Block, index: Tensor, weight: Tensor) -> None:
    """Read positions of an older block, with the weights given."""
    rows(layer.own, connect(layer, source, index).op.weight).copy_(weight)
