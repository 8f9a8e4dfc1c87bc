"""A dataset cut into experiences, as an Avalanche benchmark over tensors in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import AvalancheDataset, ConstantSequence, DataAttribute
from torch import Generator, Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import ImageStore
from cgap_bench.learn.dataset import DATASETS, ImageData
from cgap_bench.record.configuration import Split, StreamSettings


@dataclass(frozen=True)
class Stream:
    """A task-incremental stream of T experiences.

    Attributes:
        benchmark: Avalanche benchmark with `train_stream` and `test_stream`; task label =
            index of the experience, classes from 0 in each.
        heldout: Avalanche datasets of the training images held out of each experience.
        train: Store behind `train_stream` and `heldout`.
        test: Store behind `test_stream`.
        classes: Classes of each experience, in the numbering of the dataset.
        score_on: Which images fill the accuracy matrix.
    """

    benchmark: Any
    heldout: tuple[AvalancheDataset, ...]
    train: ImageStore
    test: ImageStore
    classes: tuple[tuple[int, ...], ...]
    score_on: Split = Split.TEST

    @property
    def scored(self) -> list[Any]:
        """Avalanche datasets of the images that fill the accuracy matrix, by experience."""
        if self.score_on is Split.HELD_OUT:
            return list(self.heldout)
        return [experience.dataset for experience in self.benchmark.test_stream]

    @property
    def scored_store(self) -> ImageStore:
        """Store behind `scored`."""
        return self.train if self.score_on is Split.HELD_OUT else self.test

    @property
    def n_experiences(self) -> int:
        """T."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def example_input(self) -> Tensor:
        """One image of zeros, (1, C, H, W), float32."""
        return torch.zeros(1, *self.input_shape)


def build_stream(
    settings: StreamSettings, holdout_share: float, seed: int, root: Path
) -> Stream:
    """Load a dataset and cut it into experiences.

    Args:
        settings: What to cut, and how.
        holdout_share: Share of each experience's training images that is held out of training.
        seed: Draws which images are held out and, under `order_by_seed`, the order of classes.
        root: Data root.
    """
    data = DATASETS[settings.dataset].load(root)
    classes = _split_classes(data.n_classes, settings, seed)
    train_rows = _rows_per_experience(data.train_targets, classes, settings.n_train_per_class)
    test_rows = _rows_per_experience(data.test_targets, classes, None)

    generator = Generator().manual_seed(seed)
    kept, held = [], []
    for rows in train_rows:
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        n_held = round(holdout_share * len(rows))
        held.append(shuffled[:n_held].sort().values)
        kept.append(shuffled[n_held:].sort().values)

    train = _store(data, data.train_images, data.train_targets, classes)
    test = _store(data, data.test_images, data.test_targets, classes)
    benchmark = benchmark_from_datasets(
        train=_datasets(train, kept), test=_datasets(test, test_rows)
    )
    benchmark = with_task_labels(with_classes_timeline(benchmark))
    heldout = tuple(_datasets(train, held))
    return Stream(benchmark, heldout, train, test, classes, settings.score_on)


def joint_experience(stream: Stream, n: int | None = None) -> Any:
    """One experience with the training images of all, each with its own task label.

    Args:
        stream: Where they are from.
        n: The first so many; None: all.
    """
    experiences = list(stream.benchmark.train_stream)[:n]
    first, *others = [experience.dataset for experience in experiences]
    for dataset in others:
        first = first.concat(dataset)
    benchmark = benchmark_from_datasets(train=[first])
    return with_task_labels(with_classes_timeline(benchmark)).train_stream[0]


def _split_classes(
    n_classes: int, settings: StreamSettings, seed: int
) -> tuple[tuple[int, ...], ...]:
    n = settings.n_experiences
    if n_classes % n:
        raise UsageError(
            f"stream.n_experiences={n} does not divide the {n_classes} classes of"
            f" {settings.dataset}; use one of"
            f" {', '.join(str(k) for k in range(1, n_classes + 1) if n_classes % k == 0)}"
        )

    order = list(range(n_classes))
    order_seed = seed if settings.order_by_seed else settings.order_seed
    if order_seed is not None:
        generator = Generator().manual_seed(order_seed)
        order = torch.randperm(n_classes, generator=generator).tolist()

    size = n_classes // n
    n_used = n if settings.first is None else min(n, settings.first)
    return tuple(tuple(order[i * size : (i + 1) * size]) for i in range(n_used))


def _rows_per_experience(
    targets: Tensor, classes: Sequence[Sequence[int]], limit: int | None
) -> list[Tensor]:
    """Rows of each experience in file order; of each class at most the first `limit`."""
    by_class = [
        (targets == c).nonzero().flatten()[:limit] for c in range(int(targets.max()) + 1)
    ]
    return [torch.cat([by_class[c] for c in group]).sort().values for group in classes]


def _store(
    data: ImageData, images: Tensor, targets: Tensor, classes: Sequence[Sequence[int]]
) -> ImageStore:
    """Images with their class numbered from 0 within its experience."""
    within = torch.zeros(data.n_classes, dtype=torch.int64)  # 0: of no experience that is used
    for group in classes:
        within[list(group)] = torch.arange(len(group))
    return ImageStore(images, within[targets], data.mean, data.std)


def _datasets(store: ImageStore, rows: Sequence[Tensor]) -> list[AvalancheDataset]:
    """One Avalanche dataset per experience; the attribute `rows` leads back to the store."""
    targets = DataAttribute(store.targets.tolist(), "targets")
    whole = AvalancheDataset(
        [store], data_attributes=[targets, DataAttribute(range(len(store)), "rows")]
    )

    # every subset refers to one store, so that images are held once
    return [
        AvalancheDataset(
            [whole.subset(chosen.tolist())],
            data_attributes=[
                DataAttribute(
                    ConstantSequence(task, len(chosen)),
                    "targets_task_labels",
                    use_in_getitem=True,
                )
            ],
        )
        for task, chosen in enumerate(rows)
    ]
