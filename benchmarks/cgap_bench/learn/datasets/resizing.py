"""Images of one size brought to another."""

import torch
from torch import Tensor
from torch.nn import functional


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) with sides of `size`: black around, or areas averaged."""
    height, width = images.shape[2:]
    if height <= size and width <= size:
        top, left = (size - height) // 2, (size - width) // 2
        return functional.pad(images, (left, size - width - left, top, size - height - top))
    parts = [
        functional.interpolate(part.float(), (size, size), mode="area").round().to(torch.uint8)
        for part in images.split(4096)
    ]
    return torch.cat(parts)
