"""Inheritance: a column begins as an older block, a revisited head as the old head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from cgap_cl.column import Block, connect
from cgap_cl.layout import Layout
from cgap_cl.errors import unknown

STATE = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the parent, or of the seed.
        parent: block whose weights it inherits; None: fresh weights.
        trunk: older blocks that it may read.
        layers: names of the layers with lateral inputs; None: all that may have them.
    """

    widths: Mapping[str, int] | None = None
    parent: int | None = None
    trunk: Sequence[int] = ()
    layers: Sequence[str] | None = None

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
        for name in self.lateral_layers(layout):
            if name not in layout.lateral_names:
                raise ValueError(unknown("layer for laterals", name, layout.lateral_names))

    def lateral_layers(self, layout: Layout) -> Sequence[str]:
        """The layers with lateral inputs."""
        return layout.lateral_names if self.layers is None else self.layers


@torch.no_grad()
def copy_units(column: Block, parent: Block, blocks: Sequence[Block]) -> None:
    """Copy the parent's weights, statistics and laterals into a column; its head stays.

    Args:
        column: a fresh column.
        parent: an older block.
        blocks: all blocks, by index.

    Raises:
        ValueError: the widths differ.
    """
    if column.widths != parent.widths:
        raise ValueError(
            f"a column inherits at its parent's widths: {column.widths} is not {parent.widths}"
        )
    for layer in column.layout.layers:
        if layer.name == column.layout.head:
            continue
        if not layer.dense:
            _copy(column.body.get_submodule(layer.name), parent.body.get_submodule(layer.name))
            continue
        mine, theirs = column.layer(layer.name), parent.layer(layer.name)
        _copy(mine.own, theirs.own)
        for source, lateral in theirs.sources():
            connect(mine, blocks[source], lateral.index).op.weight.copy_(lateral.op.weight)


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


def _copy(mine: nn.Module, theirs: nn.Module) -> None:
    for name in STATE:
        value = getattr(theirs, name, None)
        if value is not None:
            getattr(mine, name).copy_(value)
