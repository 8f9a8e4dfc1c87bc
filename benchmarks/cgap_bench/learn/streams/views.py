"""Where the pixels of an image go in each experience: shuffled, or turned."""

import numpy as np
import torch
from torch import Generator, Tensor

BLACK = -1


def permutations(n_views: int, n_pixels: int, seed: int) -> Tensor:
    """A random order of the pixels for each view, the first included; (V, pixels), int64.

    Goodfellow et al. (2013), "An Empirical Investigation of Catastrophic Forgetting".
    """
    generator = Generator().manual_seed(seed)
    return torch.stack([torch.randperm(n_pixels, generator=generator) for _ in range(n_views)])


def rotations(angles: list[float], height: int, width: int) -> Tensor:
    """What is seen at each pixel after turning anticlockwise about the middle; (V, pixels).

    Nearest pixels, as in the data of GEM (Lopez-Paz and Ranzato 2017, public code
    `mnist_rotations.py`): Pillow turns a picture whose pixels are numbered.

    Args:
        angles: Of each view, in degrees.
        height: Of an image.
        width: Of an image.
    """
    from PIL import Image

    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width) + 1
    picture = Image.fromarray(numbers)  # 0 is what comes in from outside
    turned = [np.array(picture.rotate(angle)).ravel() - 1 for angle in angles]
    return torch.from_numpy(np.stack(turned)).long()


def even_angles(n_views: int, largest: float) -> list[float]:
    """0, then equal steps: the next one would be the largest.

    >>> even_angles(4, 180)
    [0.0, 45.0, 90.0, 135.0]
    """
    return [view * largest / n_views for view in range(n_views)]
