"""Copying an ancestor into a column: what each of its layers begins as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block, PlasticLayer, connect
from cgap_cl.blocks.index_maps import UnitMap, positions
from cgap_cl.blocks.kinds import Dense, Kind, channel_tensors, kind_of, rows
from cgap_cl.blocks.layers_alike import layer_like
from cgap_cl.blocks.layout import Axis, LayerLayout


@dataclass(frozen=True)
class Copying:
    """One column that begins as its ancestor: which units are copied, and from where.

    Attributes:
        column: of its own widths, with fresh weights.
        ancestor: what it begins as.
        blocks: the older blocks, by index.
        maps: units of the ancestor that it copies, per group; it reads the others.
        shrink: what is left of each weight of a layer.
        perturb: how much of a fresh one is added to it.
    """

    column: Block
    ancestor: Block
    blocks: Sequence[Block]
    maps: Mapping[str, UnitMap]
    shrink: float
    perturb: float

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
            old, fresh = getattr(source, name)[channels], getattr(owner, name)
            is_weight = layer.kind is Kind.GROUPED and name == "weight"
            fresh.copy_(self.begun(old, fresh) if is_weight else old)
        if layer.kind is Kind.SCALAR:
            older = self.ancestor.body.get_submodule(layer.name)
            self.column.body.get_submodule(layer.name).load_state_dict(older.state_dict())

    def dense(self, layer: LayerLayout) -> None:
        """Own weights, inherited laterals, and a lateral for what is shared."""
        mine, theirs = self.column.layer(layer.name), self.ancestor.layer(layer.name)
        made, columns = self.copied(layer.outputs), self.copied(layer.inputs)

        weight = rows(theirs.own, theirs.own.weight)[made]
        reads = [
            (self.blocks[source], lateral.index, rows(theirs.own, lateral.op.weight)[made])
            for source, lateral in theirs.sources()
        ]
        shared = self.shared(columns, weight.shape[1])
        if len(shared):
            reads.append((self.ancestor, shared, weight[:, shared]))

        parts = self.parts_begun(mine.own, [weight[:, columns], *(part for *_, part in reads)])
        rows(mine.own, mine.own.weight).copy_(parts[0])
        if mine.own.bias is not None and theirs.own.bias is not None:
            mine.own.bias.copy_(theirs.own.bias[made])
        for (source, index, _), part in zip(reads, parts[1:], strict=True):
            _read(mine, source, index, part)

    def parts_begun(self, layer: Dense, parts: list[Tensor]) -> list[Tensor]:
        """What parts (out, in, ...) of a weight begin as; side by side they are one layer."""
        if self.unchanged:
            return parts
        sizes = [part.shape[1] for part in parts]
        fresh = layer_like(layer, kind_of(layer), sum(sizes), len(parts[0]), bias=False)
        assert isinstance(fresh, Dense)
        pieces = rows(fresh, fresh.weight).to(parts[0]).split(sizes, dim=1)
        return [self.begun(part, piece) for part, piece in zip(parts, pieces, strict=True)]

    def begun(self, old: Tensor, fresh: Tensor) -> Tensor:
        """What an inherited weight begins as."""
        if self.unchanged:
            return old
        return self.shrink * old + self.perturb * fresh

    @property
    def unchanged(self) -> bool:
        """Whether weights begin as the ancestor's are."""
        return (self.shrink, self.perturb) == (1, 0)

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
