"""Picking channels of a feature map, in the memory order that the map has."""

import torch
from torch import Tensor

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def picked(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The positions ``index`` of one dimension; maps with channels last stay so.

    `index_select` itself writes channels first, and every layer behind would go on so.
    """
    order = _CHANNELS_LAST.get(x.dim())
    last = order is not None and x.is_contiguous(memory_format=order)
    if dim == 1 and last and not x.is_contiguous():
        return x.movedim(1, -1).index_select(-1, index).movedim(-1, 1)
    return x.index_select(dim, index)
