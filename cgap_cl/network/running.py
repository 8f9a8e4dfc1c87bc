"""What must run before a column: the elders that it reads, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block, Taps


@torch.no_grad()
def elder_taps(x: Tensor, blocks: Sequence[Block], column: Block) -> Taps:
    """What the blocks that a column reads, and those that they read, feed to each layer.

    Args:
        x: a batch, ``(N, ...)``.
        blocks: all blocks, by index.
        column: the block that learns.
    """
    taps: Taps = {}
    for index in elders_of(blocks, column):
        blocks[index].run(x, taps)
    return taps


def elders_of(blocks: Sequence[Block], column: Block) -> list[int]:
    """Blocks that must run before the column, oldest first."""
    todo = column.sources()
    needed: set[int] = set()
    while todo:
        index = todo.pop()
        needed.add(index)
        todo |= blocks[index].sources() - needed
    return sorted(needed)
