"""Inheritance: a column begins with the weights of an older block, a revisited head with those of the old head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cgap_cl.column import Block, connect

STATE = ("weight", "bias", "running_mean", "running_var")


@torch.no_grad()
def copy_units(column: Block, parent: Block, blocks: Sequence[Block]) -> None:
    """Copy the parent's weights, statistics and laterals into a column of equal widths; the head stays as it is.

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
    """Start the head of a revisited label as the old head, reading the frozen units that it read.

    The logits of old classes are those of the old subnetwork until training changes them; new classes
    start on the column's own units.

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
