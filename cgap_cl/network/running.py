"""What must run before a column: of its elders as much as it reads, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block, Taps


@torch.no_grad()
def elder_taps(x: Tensor, blocks: Sequence[Block], column: Block) -> Taps:
    """What the blocks that a column reads, and those that they read, feed to each layer.

    An elder stops in front of the last layer that is read of it: where only its first units are
    shared, the rest of it need not run.

    Args:
        x: a batch, ``(N, ...)``.
        blocks: all blocks, by index.
        column: the block that learns.
    """
    taps: Taps = {}
    for index, read in sorted(read_of(blocks, column).items()):
        blocks[index].leave_taps(x, taps, read)
    return taps


def read_of(blocks: Sequence[Block], column: Block) -> dict[int, set[str]]:
    """Elder -> the layers whose input a later block reads, of those that a column depends on.

    Args:
        blocks: all blocks, by index.
        column: the block that learns.
    """
    read: dict[int, set[str]] = {}
    for reader in (column, *reversed(blocks[: column.index])):  # before those that it reads
        if reader is column or reader.index in read:
            for layer in reader.plastic():
                for source, _ in layer.sources():
                    read.setdefault(source, set()).add(layer.name)
    return read
