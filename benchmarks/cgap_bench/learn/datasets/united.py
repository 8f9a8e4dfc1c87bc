"""Several datasets in one, for streams that go from one to the next."""

from collections.abc import Sequence

import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData, Source
from cgap_bench.learn.images.resizing import resized
from cgap_bench.learn.images.stored import JoinedImages, Pixels


def united(parts: Sequence[ImageData], size: int | None) -> ImageData:
    """Images and classes one after the other; each dataset's classes are a group.

    Grey images get as many equal channels as coloured ones have; mean and deviation are each
    dataset's own.

    Args:
        parts: Two datasets or more.
        size: Side that all images are brought to; None: they have one already.

    Raises:
        UsageError: They have several sizes.
    """
    sizes = {tuple(part.train_images.shape[2:]) for part in parts}
    if size is None and len(sizes) > 1:
        raise UsageError(f"images of {sorted(sizes)} do not go together; set stream.size")
    n_channels = max(part.train_images.shape[1] for part in parts)

    def together(images: Sequence[Pixels]) -> JoinedImages:
        return JoinedImages([one if size is None else resized(one, size) for one in images])

    firsts = [sum(part.n_classes for part in parts[:i]) for i in range(len(parts))]
    train = [part.train_targets + first for part, first in zip(parts, firsts)]
    test = [part.test_targets + first for part, first in zip(parts, firsts)]
    sources = tuple(
        Source(p.n_classes, _spread(p.mean, n_channels), _spread(p.std, n_channels))
        for p in parts
    )
    names = tuple(name for part in parts for name in part.class_names)
    return ImageData(
        train_images=together([part.train_images for part in parts]),
        train_targets=torch.cat(train),
        test_images=together([part.test_images for part in parts]),
        test_targets=torch.cat(test),
        mean=sources[0].mean,
        std=sources[0].std,
        groups=tuple(
            tuple(range(first, first + part.n_classes)) for part, first in zip(parts, firsts)
        ),
        sources=sources,
        class_names=names if len(names) == sum(part.n_classes for part in parts) else (),
    )


def _spread(values: tuple[float, ...], n_channels: int) -> tuple[float, ...]:
    return values * n_channels if len(values) == 1 else values
