"""Are images and classes what streams are cut from? Each mistake in one line."""

import math
from typing import Any

import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.stored import Images

SHAPE = "(N, C, H, W)"
LEAST_SPREAD = torch.finfo(torch.float32).tiny  # what can still be divided by as float32


def check_images(what: str, data: Any, size: int | None = None) -> None:
    """See that a dataset is what its fields say.

    Args:
        what: Whose, for instance ``"dataset mine:load"``.
        data: An `ImageData`.
        size: Side that images of any size are brought to later; None: they have it already.

    Raises:
        UsageError: Something is of another type, shape or length.
    """
    for split in ("train", "test"):
        images, targets = (getattr(data, f"{split}_{part}") for part in ("images", "targets"))
        _check_pixels(f"{what}: {split}_images", images)
        _check_numbers(f"{what}: {split}_targets", targets, len(images), "classes")
    if data.train_domains is not None:
        n = len(data.train_images)
        _check_numbers(f"{what}: train_domains", data.train_domains, n, "domains")

    shapes = [tuple(images.shape) for images in (data.train_images, data.test_images)]
    last = None if size is None else 2  # height and width are brought together
    if shapes[0][1:last] != shapes[1][1:last]:
        raise UsageError(f"{what}: train_images are {shapes[0]}, test_images are {shapes[1]}")
    for name in ("mean", "std"):
        _check_channels(f"{what}: {name}", getattr(data, name), shapes[0][1])
    if any(value < 0 for value in data.std):  # 0: see `check_spread`
        raise UsageError(f"{what}: std is {data.std}, which no deviation is")
    _check_classes(what, data)


def check_spread(what: str, data: Any) -> None:
    """See that every channel can be divided by its deviation: by 0, all outputs would be nan.

    Args:
        what: Whose, for instance ``"dataset mine:load"``.
        data: An `ImageData`, with the mean and deviation that a stream takes.

    Raises:
        UsageError: A channel is the same in all images, or is said to be.
    """
    spreads = [source.std for source in data.sources] or [data.std]
    for spread in spreads:
        for channel, value in enumerate(spread, start=1):
            if value < LEAST_SPREAD:
                raise UsageError(
                    f"{what}: std is {value} in channel {channel} of {len(spread)}, as if it"
                    " were the same in all images, and values are divided by it; leave the"
                    " channel out, or set stream.pixel_scale=unit"
                )


def _check_pixels(what: str, images: Any) -> None:
    if not isinstance(images, Tensor | Images):
        raise UsageError(f"{what} are of type {type(images).__name__}, not a torch tensor")
    if isinstance(images, Tensor) and images.dtype is not torch.uint8:
        raise UsageError(f"{what} are {_dtype(images)}, not uint8: pixels from 0 to 255")
    if len(images.shape) != 4 or 0 in images.shape[1:]:
        raise UsageError(f"{what} have shape {tuple(images.shape)}, not {SHAPE}")


def _check_numbers(what: str, numbers: Any, n: int, of: str) -> None:
    """One of each image, counted from 0."""
    if not isinstance(numbers, Tensor):
        raise UsageError(f"{what} are of type {type(numbers).__name__}, not a torch tensor")
    if numbers.dtype is not torch.int64:
        raise UsageError(f"{what} are {_dtype(numbers)}, not int64")
    if tuple(numbers.shape) != (n,):
        raise UsageError(f"{what} have shape {tuple(numbers.shape)}, not one of {n} images")
    if len(numbers) and int(numbers.min()) < 0:
        raise UsageError(f"{what} have {int(numbers.min())}; {of} are counted from 0")


def _check_channels(what: str, values: Any, n_channels: int) -> None:
    """A number for each channel, or one for all."""
    like = f"not a number for each of the {n_channels} channels, like {(127.5,) * n_channels}"
    if not isinstance(values, tuple | list) or len(values) not in (1, n_channels):
        raise UsageError(f"{what} is {values!r:.80}, {like}")
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise UsageError(f"{what} is {values!r:.80}, {like}")


def _check_classes(what: str, data: Any) -> None:
    """What is said of classes is of those that there are."""
    if not len(data.train_targets) and not len(data.test_targets):
        raise UsageError(f"{what} has no images")
    n = data.n_classes
    strangers = sorted({one for group in data.groups for one in group} - set(range(n)))
    if strangers:
        raise UsageError(f"{what}: groups have class {strangers[0]}, of {n} counted from 0")
    if data.class_names and len(data.class_names) != n:
        raise UsageError(f"{what}: {len(data.class_names)} class_names for {n} classes")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
