"""Weight alignment of a shared head: new classes must not win by the size of their weights."""

from __future__ import annotations

from collections.abc import Collection

import torch

from cgap_cl.blocks.block import Block


@torch.no_grad()
def align(column: Block, old: Collection[int], new: Collection[int]) -> float:
    """Scale the head's rows of new classes to the mean norm of the rows of old classes.

    After Zhao et al. (CVPR 2020, equation 8), over everything that a row reads, laterals
    included; biases stay.

    Args:
        column: the column whose head is changed.
        old: classes learned before.
        new: classes learned now.

    Returns:
        The factor; 1 where there are no old or no new classes.
    """
    if not old or not new:
        return 1.0
    parts = [column.head.own.weight, *(part.op.weight for _, part in column.head.sources())]
    norms = torch.cat([part.flatten(1) for part in parts], dim=1).norm(dim=1)
    rows = torch.tensor(sorted(new), device=norms.device)
    factor = norms[torch.tensor(sorted(old), device=norms.device)].mean() / norms[rows].mean()
    for part in parts:
        part[rows] *= factor
    return float(factor)
