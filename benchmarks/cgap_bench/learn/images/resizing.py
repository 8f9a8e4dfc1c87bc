"""Images of one size brought to another."""

import torch
from torch import Tensor
from torch.nn import functional

from cgap_bench.learn.images.stored import Images, Pixels


def resized(images: Pixels, size: int) -> Pixels:
    """Images (N, C, H, W) with sides of `size`: black around, or areas averaged."""
    if tuple(images.shape[2:]) == (size, size):
        return images
    return _resized(images, size) if isinstance(images, Tensor) else ResizedImages(images, size)


class ResizedImages(Images):
    """Images that are brought to another size when they are read.

    Args:
        images: As they are kept.
        size: Side.
    """

    def __init__(self, images: Images, size: int) -> None:
        self._images, self._size = images, size
        self.shape = torch.Size((*images.shape[:2], size, size))

    def __getitem__(self, rows: Tensor) -> Tensor:
        """See `Images`."""
        return _resized(self._images[rows], self._size)

    def tensor(self) -> Tensor:
        """See `Images`."""
        return _resized(self._images.tensor(), self._size)


def _resized(images: Tensor, size: int) -> Tensor:
    height, width = images.shape[2:]
    if height <= size and width <= size:
        top, left = (size - height) // 2, (size - width) // 2
        return functional.pad(images, (left, size - width - left, top, size - height - top))
    parts = [
        functional.interpolate(part.float(), (size, size), mode="area").round().to(torch.uint8)
        for part in images.split(4096)
    ]
    return torch.cat(parts)
