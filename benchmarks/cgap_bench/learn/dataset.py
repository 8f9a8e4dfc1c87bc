"""Images and classes as every stream is cut from them, and where they come from by name."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.stored import Pixels
from cgap_bench.learn.own.mistakes import checked_call
from cgap_bench.registry import Registry

DATA_VARIABLE = "CGAP_CL_DATA"


@dataclass(frozen=True)
class ImageData:
    """A dataset, its images in memory or in files.

    Attributes:
        train_images: (N, C, H, W), uint8: a tensor, or images in files.
        train_targets: (N,), int64, classes from 0.
        test_images: (M, C, H, W), likewise.
        test_targets: (M,), int64.
        mean: Per channel, in units of the stored pixel values.
        std: Per channel, in units of the stored pixel values.
        groups: Classes that belong together by the dataset's own account, in its own order:
            superclasses, alphabets; empty where it has none.
        train_domains: (N,), int64: origin of each training image, a session for instance,
            from 0; None where nothing is said.
        sources: Of several datasets in one: what each brings; empty for one alone.
        class_names: Of all classes, in the order of their numbers; empty where there are none.
    """

    train_images: Pixels
    train_targets: Tensor
    test_images: Pixels
    test_targets: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...] = ()
    train_domains: Tensor | None = None
    sources: tuple["Source", ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """Number of classes that have images."""
        largest = [int(t.max()) for t in (self.train_targets, self.test_targets) if len(t)]
        return max(largest) + 1


@dataclass(frozen=True)
class Source:
    """One of several datasets in one: how many classes it brings, and its own mean and std."""

    n_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        load: Data root -> data; raises `UsageError` when files are missing or damaged.
        needs_download: Whether files are needed that no dependency ships.
    """

    load: Callable[[Path], ImageData]
    needs_download: bool


def _check(what: str, value: Any) -> None:
    """Raises `UsageError` where an entry of a user's own is no dataset."""
    if not isinstance(value, Dataset):
        raise UsageError(f"{what} is {value!r:.80}, not Dataset(load, needs_download)")
    checked_call(f"{what}: its load", value.load, "(root: Path)", Path())


DATASETS: Registry[Dataset] = Registry("dataset", "cgap_bench.learn.datasets", _check)
"""The datasets that come with the package: one module a family."""


def data_root(chosen: Path | None = None) -> Path:
    """The folder with datasets: the option, else the variable, else a cache in the home."""
    if chosen is not None:
        return chosen.expanduser()
    return Path(os.environ.get(DATA_VARIABLE) or "~/.cache/cgap-cl").expanduser()


def every_fifth(targets: Tensor) -> Tensor:
    """Where a dataset has no test split: of each class every fifth image, as a mask (N,).

    By position, so it is the same with every version of every library.
    """
    mask = torch.zeros(len(targets), dtype=torch.bool)
    for one in range(int(targets.max()) + 1):
        mask[(targets == one).nonzero().flatten()[4::5]] = True
    return mask


def without_test_split(images: Tensor, targets: Tensor) -> ImageData:
    """Grey images (N, 1, H, W) and their classes (N,): every fifth of a class is for test."""
    is_test = every_fifth(targets)
    train = images[~is_test]
    pixels = train.double()
    return ImageData(
        train_images=train,
        train_targets=targets[~is_test],
        test_images=images[is_test],
        test_targets=targets[is_test],
        mean=(float(pixels.mean()),),
        std=(float(pixels.std()),),
    )
