"""Batches cut from tensors held in memory, augmented a whole batch at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from avalanche.training.supervised import Naive
from torch import Generator, Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from cgap_bench.record.configuration import Augmentation, MemoryFormat, Precision

CROP_PADDING = 4  # pixels, the usual choice for 32x32 images


class ImageStore(Dataset[tuple[Tensor, int]]):
    """All images of one split; batches of them are normalised when they are read.

    Args:
        images: (N, C, H, W), uint8.
        targets: (N,), int64: class within its experience.
        mean: Per channel, in units of the pixel values.
        std: Per channel, likewise.
    """

    def __init__(
        self, images: Tensor, targets: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        self.images, self.targets = images, targets
        self._mean = torch.tensor(mean).view(-1, 1, 1)
        self._scale = 1 / torch.tensor(std).view(-1, 1, 1)

    def to(self, device: torch.device) -> "ImageStore":
        """The same images on another device."""
        moved = ImageStore(self.images.to(device), self.targets.to(device), (0.0,), (1.0,))
        moved._mean, moved._scale = self._mean.to(device), self._scale.to(device)
        return moved

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.normalise(self.images[row]), int(self.targets[row])

    def normalise(self, images: Tensor) -> Tensor:
        """Pixel values (..., C, H, W) -> float32 of about zero mean and unit variance."""
        return (images.float() - self._mean) * self._scale


def crop_and_flip(images: Tensor, generator: Generator) -> Tensor:
    """Random crop after zero padding, and horizontal flip of every other image on average.

    Args:
        images: (N, C, H, W).
        generator: On the CPU, so that every device draws the same numbers.
    """
    n, channels, height, width = images.shape
    top, left = torch.randint(0, 2 * CROP_PADDING + 1, (2, n, 1), generator=generator)
    flip = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.arange(width)
    columns = left + torch.where(flip, width - 1 - columns, columns)
    rows = top + torch.arange(height)
    device = images.device
    padded = functional.pad(images, (CROP_PADDING,) * 4)
    return padded[
        torch.arange(n, device=device).view(n, 1, 1, 1),
        torch.arange(channels, device=device).view(1, channels, 1, 1),
        rows.to(device).view(n, 1, height, 1),
        columns.to(device).view(n, 1, 1, width),
    ]


@dataclass(frozen=True)
class BatchSource:
    """Where a strategy's batches come from.

    Attributes:
        store: Images that the rows of an Avalanche dataset of ours refer to, on the device.
        augment: What is done to training batches.
        generator: Draws shuffling and augmentation, on the CPU.
        memory_format: Order of a batch in memory.
    """

    store: ImageStore
    augment: Augmentation
    generator: Generator
    memory_format: MemoryFormat = MemoryFormat.CONTIGUOUS

    def laid_out(self, images: Tensor) -> Tensor:
        """The same batch (N, C, H, W), in the order asked for."""
        if self.memory_format is MemoryFormat.CHANNELS_LAST:
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()


class TensorLoader:
    """Iterates over batches ``(x, y, task_labels)`` of an Avalanche dataset of ours.

    A last training batch of a single image is left out: batch norm cannot use it.
    """

    def __init__(self, dataset: Any, source: BatchSource, batch_size: int, train: bool) -> None:
        device = source.store.images.device
        self._rows = torch.tensor(list(dataset.rows.data), device=device)
        self._tasks = torch.tensor(list(dataset.targets_task_labels.data), device=device)
        self._source, self._batch_size, self._train = source, batch_size, train

    def __len__(self) -> int:
        return math.ceil(self._n_used() / self._batch_size)

    def _n_used(self) -> int:
        n = len(self._rows)
        return n - 1 if self._train and n % self._batch_size == 1 and n > 1 else n

    def __iter__(self) -> Iterator[list[Tensor]]:
        source, n = self._source, len(self._rows)
        order = torch.arange(n)
        if self._train:
            order = torch.randperm(n, generator=source.generator)
        order = order[: self._n_used()].to(self._rows.device)

        for chosen in torch.split(order, self._batch_size):
            rows = self._rows[chosen]
            images = source.store.images[rows]
            if self._train and source.augment is Augmentation.CROP_FLIP:
                images = crop_and_flip(images, source.generator)
            yield [
                source.laid_out(source.store.normalise(images)),
                source.store.targets[rows],
                self._tasks[chosen],
            ]


class TensorStrategy(Naive):  # type: ignore[misc]
    """Avalanche's plain strategy, fed from memory; plugins may still adapt its dataset.

    Args:
        source: Where batches come from.
        precision: Number format of the forward pass in training.
        arguments: Those of `avalanche.training.Naive`.
    """

    def __init__(self, *, source: BatchSource, precision: Precision, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._source, self._precision = source, precision

    def forward(self) -> Tensor:
        """Called by Avalanche; logits (N, classes), float32."""
        if self._precision is Precision.FLOAT32:
            return torch.as_tensor(super().forward())
        with torch.autocast(self.device.type, torch.bfloat16):
            return torch.as_tensor(super().forward()).float()

    def make_train_dataloader(self, **_: Any) -> None:
        """Called by Avalanche after `self.adapted_dataset` is set."""
        self.dataloader = TensorLoader(
            self.adapted_dataset, self._source, self.train_mb_size, train=True
        )

    def make_eval_dataloader(self, **_: Any) -> None:
        """Called by Avalanche after `self.adapted_dataset` is set."""
        self.dataloader = TensorLoader(
            self.adapted_dataset, self._source, self.eval_mb_size, train=False
        )
