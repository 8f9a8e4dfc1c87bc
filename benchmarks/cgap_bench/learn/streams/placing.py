"""Whether the images of a dataset go to memory or stay in files."""

import hashlib
from dataclasses import replace
from pathlib import Path

from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.images.stored import FOLDER, Images, Pixels, in_parts, kept_in, whole


def n_bytes(data: ImageData) -> int:
    """Of all images, for training and for test."""
    return sum(images.shape.numel() for images in (data.train_images, data.test_images))


def placed(data: ImageData, most: int | None, root: Path) -> ImageData:
    """The same dataset, all of its images in memory or all of them in files.

    Args:
        data: As it was read.
        most: Bytes that they may take in memory; None: any number.
        root: Data root, which keeps what no file has yet.

    Raises:
        OSError: They cannot be written there.
    """
    if most is None or n_bytes(data) <= most:
        train, test = whole(data.train_images), whole(data.test_images)
        return replace(data, train_images=train, test_images=test)
    stored = [_in_file(images, root) for images in (data.train_images, data.test_images)]
    return replace(data, train_images=stored[0], test_images=stored[1])


def _in_file(images: Pixels, root: Path) -> Images:
    """What comes as a tensor is written once, under the name of its hash."""
    if isinstance(images, Images):
        return images
    key = hashlib.sha256("x".join(map(str, images.shape)).encode())
    for part in in_parts(images):
        key.update(part.contiguous().numpy().data)
    path = root / FOLDER / f"{key.hexdigest()[:16]}.u8"
    return kept_in(path, images.shape, in_parts(images))
