"""Data that somebody else brings: `folder:PATH`, `torchvision:NAME`, `module:function`."""

from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.folder import image_folder, mean_and_std
from cgap_bench.registry import imported

ENTRY_POINTS = "cgap_cl.datasets"


def own_dataset(name: str, size: int | None) -> Dataset:
    """A dataset that does not come with the package.

    Args:
        name: ``folder:PATH``, ``torchvision:NAME``, the ``module:function`` of a function
            ``(root: Path) -> ImageData``, or an entry point of the group `cgap_cl.datasets`.
        size: Side that images of any size are brought to.

    Raises:
        UsageError: There is none.
    """
    place, colon, rest = name.partition(":")
    if not colon:
        return _installed(name)
    if place == "folder":
        return Dataset(lambda root: image_folder(rest, size, root), needs_download=False)
    if place == "torchvision":
        return Dataset(lambda root: _torchvision(rest, size, root), needs_download=True)
    return _checked(name, _imported(name))


def _installed(name: str) -> Dataset:
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        raise UnknownNameError("dataset", name, [*DATASETS.names(), *points])
    try:
        return _checked(name, points[name].load())
    except ImportError as error:
        raise UsageError(f"dataset {name}: {error}") from error


def _imported(name: str) -> Any:
    try:
        return imported(name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"dataset {name}: {error}") from error


def _checked(name: str, load: Any) -> Dataset:
    """A function whose result is looked at."""
    if not callable(load):
        raise UsageError(f"dataset {name} is {load!r}, not a function (root) -> ImageData")

    try:
        signature(load).bind(Path())
    except TypeError as error:
        raise UsageError(f"dataset {name} is called as (root: Path): {error}") from error

    def checked(root: Path) -> ImageData:
        data = load(root)
        if not isinstance(data, ImageData):
            raise UsageError(f"dataset {name} returned {type(data).__name__}, not ImageData")
        return data

    return Dataset(checked, needs_download=False)


def _torchvision(name: str, size: int | None, root: Path) -> ImageData:
    """A dataset of torchvision whose constructor takes `train` and `download`."""
    from torchvision import datasets

    from cgap_bench.learn.datasets.files import download

    if name not in datasets.__all__:
        raise UnknownNameError("torchvision dataset", name, datasets.__all__)
    found: dict[bool, Any] = {}

    def fetch() -> None:
        for train in (True, False):
            found[train] = getattr(datasets, name)(str(root), train=train, download=True)

    try:
        download(fetch, name, root, root)
    except TypeError as error:
        raise UsageError(
            f"torchvision:{name} has no (root, train, download): {error}"
        ) from error
    train, test = (_tensors(found[split], size) for split in (True, False))
    return ImageData(*train, *test, *mean_and_std(train[0]))


def _tensors(split: Any, size: int | None) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W), uint8, and classes (N,)."""
    images, targets = [], []
    for image, target in split:
        picture = image if size is None else image.resize((size, size))
        pixels = torch.from_numpy(np.array(picture))
        images.append(pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1))
        targets.append(int(target))
    return torch.stack(images), torch.tensor(targets)
