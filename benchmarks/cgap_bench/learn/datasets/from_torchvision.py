"""Datasets of torchvision by their name there."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.datasets.files import download
from cgap_bench.learn.datasets.folder import mean_and_std

# Names of the splits to train on and to test on; the first pair that a dataset has is read. In
# "trainval" are all training images, where a dataset has its own held-out ones.
SPLITS = (("trainval", "test"), ("train", "test"), ("train", "val"))


def torchvision_dataset(name: str, size: int | None, root: Path) -> ImageData:
    """A dataset of torchvision whose constructor takes `train`, or `split`.

    Args:
        name: Of its class.
        size: Side that images are brought to; None: they are all of one size.
        root: Data root.

    Raises:
        UsageError: There is none, it has no such splits, cannot be had, or holds something else
            than images of classes.
    """
    from torchvision import datasets

    if name not in datasets.__all__:
        raise UnknownNameError("torchvision dataset", name, datasets.__all__)
    found: list[Any] = []
    download(lambda: found.extend(_splits(name, root)), name, root, root)
    train, test = (_tensors(name, split, size) for split in found)
    names = tuple(map(str, getattr(found[0], "classes", ())))
    data = ImageData(*train, *test, *mean_and_std(train[0]))
    return replace(data, class_names=names) if len(names) == data.n_classes else data


def _splits(name: str, root: Path) -> tuple[Any, Any]:
    """The split to train on and the one for test."""
    from torchvision import datasets

    make = getattr(datasets, name)
    known = inspect.signature(make).parameters
    fetched = {"download": True} if "download" in known else {}
    for train, test in _arguments(name, known):
        try:
            return make(str(root), **train, **fetched), make(str(root), **test, **fetched)
        except ValueError as error:
            if "split" not in train or "split" not in str(error):
                raise UsageError(f"torchvision:{name}: {_line(error)}") from error
        except TypeError as error:
            raise UsageError(f"torchvision:{name} cannot be made: {_line(error)}") from error
    told = ", ".join(f"{train} and {test}" for train, test in SPLITS)
    raise UsageError(f"torchvision:{name} has none of the splits {told}")


def _arguments(name: str, known: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What tells the two splits apart, by what the constructor takes.

    Raises:
        UsageError: Nothing does.
    """
    if "train" in known:
        yield {"train": True}, {"train": False}
    elif "split" in known and known["split"].default is not inspect.Parameter.empty:
        yield from (({"split": train}, {"split": test}) for train, test in SPLITS)
    else:
        raise UsageError(
            f"torchvision:{name} has neither train= nor split=, which tell training images from"
            " those for test; a function of your own can: module:function"
        )


def _tensors(name: str, split: Any, size: int | None) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W), uint8, and classes (N,)."""
    images, targets = [], []
    for image, target in split:
        picture = image if size is None else image.resize((size, size))
        pixels = torch.from_numpy(np.array(picture))
        images.append(pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1))
        plain = isinstance(target, int | np.integer) or getattr(target, "ndim", None) == 0
        if not plain:
            raise UsageError(
                f"torchvision:{name} has {type(target).__name__} as targets, not classes"
            )
        targets.append(int(target))
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise UsageError(
            f"torchvision:{name} has images of {len(shapes)} shapes; set stream.size, to which"
            " they are brought, or bring them yourself: module:function"
        )
    return torch.stack(images), torch.tensor(targets)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
