"""Images brought to the size and the scale of values that a stream asks for."""

from dataclasses import replace

import torch
from torch import Tensor

from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.images.resizing import resized
from cgap_bench.learn.images.stored import Pixels
from cgap_bench.learn.own.images import check_spread
from cgap_bench.learn.streams.store import ImageStore, MixedStore, ViewStore
from cgap_bench.learn.streams.views import even_angles, permutations, rotations
from cgap_bench.record.configuration import Cut, PixelScale, StreamSettings


def prepared(data: ImageData, settings: StreamSettings) -> ImageData:
    """A dataset at the asked size, with the asked mean and deviation.

    Raises:
        UsageError: A channel that is to be divided by its deviation has none.
    """
    if settings.size is not None:
        images = (resized(i, settings.size) for i in (data.train_images, data.test_images))
        train_images, test_images = images
        data = replace(data, train_images=train_images, test_images=test_images)
    if settings.pixel_scale is PixelScale.UNIT:
        n_channels = data.train_images.shape[1]
        zeros, full = (0.0,) * n_channels, (255.0,) * n_channels
        data = replace(data, mean=zeros, std=full, sources=())
    check_spread(f"dataset {settings.dataset}", data)
    return data


def stores(
    data: ImageData, settings: StreamSettings, numbers: Tensor
) -> tuple[ImageStore, ImageStore]:
    """Images for training and for test.

    Args:
        data: The dataset.
        settings: Which views of its images are seen.
        numbers: Class of the dataset -> class as the network is to tell it.
    """
    train = _store(data, data.train_images, data.train_targets, numbers)
    test = _store(data, data.test_images, data.test_targets, numbers)
    views = _views(data, settings)
    return (train, test) if views is None else (ViewStore(train, views), ViewStore(test, views))


def _store(data: ImageData, images: Pixels, targets: Tensor, numbers: Tensor) -> ImageStore:
    if not data.sources:
        return ImageStore(images, numbers[targets], data.mean, data.std)
    counts = torch.tensor([source.n_classes for source in data.sources])
    origin_of = torch.arange(len(counts)).repeat_interleave(counts)
    means = [source.mean for source in data.sources]
    stds = [source.std for source in data.sources]
    return MixedStore(images, numbers[targets], means, stds, origin_of[targets])


def _views(data: ImageData, settings: StreamSettings) -> Tensor | None:
    height, width = data.train_images.shape[2:]
    if settings.cut is Cut.PERMUTED:
        return permutations(settings.n_experiences, height * width, settings.order_seed or 0)
    if settings.cut is Cut.ROTATED:
        angles = even_angles(settings.n_experiences, settings.largest_angle)
        return rotations(angles, height, width)
    return None
