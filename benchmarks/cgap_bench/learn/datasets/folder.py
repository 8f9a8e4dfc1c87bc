"""Folders of image files: decoded once at one size, kept in a file."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData, every_fifth
from cgap_bench.learn.images.stored import FOLDER, FileImages, Pixels, in_parts, kept_in

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"})
SIZE = 32  # side of an image where none is asked for
EVERY = 5  # of a class without a test split one of so many is for test
SAMPLE = 2_000  # images that mean and deviation are taken of
DECODED_BYTES = 1 << 22  # before they are written

Files = Sequence[tuple[Path, int]]  # each with its class


def image_folder(name: str, size: int | None, root: Path) -> ImageData:
    """A folder for each class, below ``train`` and ``test`` or right in the folder.

    Without folders ``train`` and ``test``, of each class every fifth image by name is for test.

    Args:
        name: The folder; relative to the data root where it is there, else as it stands.
        size: Side of an image; None: 32.
        root: Data root, which also keeps what was decoded.

    Raises:
        UsageError: There is no such folder, or no image in it, or a class has none for training
            or none for test.
    """
    folder = folder_of(name, root)
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, classes = _classes(folder / "train")
        test, _ = _classes(folder / "test", classes)
        _check_split(folder, classes, train, test)
    else:
        files, classes = _classes(folder)
        _check_whole(folder, classes, files)
        is_test = every_fifth(torch.tensor([target for _, target in files]))
        train = [one for one, held in zip(files, is_test) if not held]
        test = [one for one, held in zip(files, is_test) if held]

    data = images_of(train, test, size or SIZE, root)
    return replace(data, class_names=tuple(classes))


def _check_split(folder: Path, classes: Sequence[str], train: Files, test: Files) -> None:
    """Raises `UsageError` where a class has no image for training or none for test."""
    trained, tested = (Counter(target for _, target in files) for files in (train, test))
    for number, name in enumerate(classes):
        n, m = trained[number], tested[number]
        if not n or not m:
            raise UsageError(
                f"class {name!r} has {_images(n)} in {folder / 'train' / name} and {_images(m)}"
                f" in {folder / 'test' / name}; at least 1 is needed in each"
            )


def _check_whole(folder: Path, classes: Sequence[str], files: Files) -> None:
    """Raises `UsageError` where a class has too few images for one to be for test."""
    counts = Counter(target for _, target in files)
    for number, name in enumerate(classes):
        if counts[number] < EVERY:
            raise UsageError(
                f"class {name!r} has {_images(counts[number])} in {folder / name}; at least"
                f" {EVERY} are needed, because every fifth is for test"
            )


def _images(n: int) -> str:
    return "1 image" if n == 1 else f"{n or 'no'} images"


def folder_of(name: str, root: Path) -> Path:
    """The folder of a name: relative to the data root where it is there, else as it stands.

    What begins with a dot, ``./images``, is never looked for in the data root.

    Raises:
        UsageError: There is none.
    """
    inside = root / name
    rooted = inside.is_dir() and not name.startswith(".")
    folder = inside if rooted else Path(name).expanduser()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}, and no {name} in {root}")
    return folder


def image_files(folder: Path) -> list[Path]:
    """All image files below a folder, sorted; nothing hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and not _hidden(path.relative_to(folder))
    )


def images_of(train: Files, test: Files, size: int, root: Path) -> ImageData:
    """A dataset of image files, each with its class.

    Args:
        train: Files and classes for training.
        test: The same for test.
        size: Side of an image.
        root: Data root, which keeps what was decoded.
    """
    train_images, test_images = (
        decoded([path for path, _ in files], size, root) for files in (train, test)
    )
    mean, std = mean_and_std(train_images)
    return ImageData(
        train_images=train_images,
        train_targets=torch.tensor([target for _, target in train]),
        test_images=test_images,
        test_targets=torch.tensor([target for _, target in test]),
        mean=mean,
        std=std,
    )


def decoded(files: Sequence[Path], size: int, root: Path) -> FileImages:
    """Image files as (N, 3, size, size), uint8, one after the other in one file.

    The shorter side is brought to the size, the middle of the longer one is kept. What was
    decoded is kept below the data root, so that there may be more of it than fits into memory;
    files that have changed since are decoded again.

    Raises:
        UsageError: A file is no image.
    """
    key = hashlib.sha256(f"{size}".encode())
    for path in files:
        state = path.stat()
        key.update(f"{path.resolve()}:{state.st_size}:{state.st_mtime_ns}\n".encode())
    cache = root / FOLDER / f"{key.hexdigest()[:16]}-{size}.u8"
    return kept_in(cache, (len(files), 3, size, size), _decode(files, size))


def mean_and_std(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, of images spread evenly over all; from exact sums."""
    sums, squares = (torch.zeros(images.shape[1], dtype=torch.int64) for _ in range(2))
    n = 0
    for part in in_parts(images, max(1, len(images) // SAMPLE)):
        values = part.int()
        sums += values.sum((0, 2, 3))
        squares += (values * values).sum((0, 2, 3))
        n += part[:, 0].numel()

    pairs = list(zip(sums.tolist(), squares.tolist(), strict=True))
    # integers until here: rounded once, in whatever order they were added
    std = (math.sqrt((n * square - one * one) / (n * (n - 1))) for one, square in pairs)
    return tuple(one / n for one, _ in pairs), tuple(std)


def _classes(
    folder: Path, names: Sequence[str] | None = None
) -> tuple[list[tuple[Path, int]], list[str]]:
    """Image files with their class, and the names of the classes."""
    there = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    names = there if names is None else names
    unknown = set(there) - set(names)
    if unknown:
        raise UsageError(f"{folder / min(unknown)} is a class without training images")
    numbers = {name: number for number, name in enumerate(names)}
    files = [(path, numbers[name]) for name in there for path in image_files(folder / name)]
    if not files:
        raise UsageError(f"{folder} has no folders with images ({', '.join(sorted(ENDINGS))})")
    return files, list(names)


def _hidden(path: Path) -> bool:
    """Whether systems or editors put it there: ``.ipynb_checkpoints``."""
    return any(part.startswith(".") for part in path.parts)


def _decode(files: Sequence[Path], size: int) -> Iterator[Tensor]:
    """Pillow leaves Python's lock while it decodes, so threads are enough."""
    n = max(1, DECODED_BYTES // (3 * size * size))
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(files), n):  # a pool would run ahead of the disk
            some = files[first : first + n]
            parts = list(pool.map(lambda path: _pixels(path, size), some))
            yield torch.from_numpy(np.stack(parts))


def _pixels(path: Path, size: int) -> np.ndarray:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            fitted = ImageOps.fit(image.convert("RGB"), (size, size))
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(f"{path} is no image that can be read: {error}") from error
    return np.asarray(fitted).transpose(2, 0, 1)
