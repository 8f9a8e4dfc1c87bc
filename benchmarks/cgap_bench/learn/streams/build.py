"""A dataset cut into experiences, as an Avalanche benchmark over images in memory or files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import (
    AvalancheDataset,
    ConstantSequence,
    DataAttribute,
    TaskAwareClassificationDataset,
)
from torch import Generator, Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.datasets.named import load_data
from cgap_bench.learn.streams.enough import check_enough
from cgap_bench.learn.streams.orders import Part, parts_of, settled
from cgap_bench.learn.streams.placing import placed
from cgap_bench.learn.streams.preparing import prepared, stores
from cgap_bench.learn.streams.store import ImageStore
from cgap_bench.record.configuration import Scenario, Split, StreamSettings


@dataclass(frozen=True)
class Stream:
    """A stream of T experiences.

    Attributes:
        benchmark: Avalanche benchmark with `train_stream` and `test_stream`. Told tasks have
            their index as task label and classes from 0 in each; else the label is always 0.
        heldout: Avalanche datasets of the training images held out of each experience.
        train: Store behind `train_stream` and `heldout`.
        test: Store behind `test_stream`.
        classes: Classes of each experience, in the numbering of the dataset.
        scenario: What a network is told and asked.
        score_on: Which images fill the accuracy matrix.
        class_names: Of all classes of the dataset; empty where it names none.
    """

    benchmark: Any
    heldout: tuple[AvalancheDataset, ...]
    train: ImageStore
    test: ImageStore
    classes: tuple[tuple[int, ...], ...]
    scenario: Scenario = Scenario.TASK
    score_on: Split = Split.TEST
    class_names: tuple[str, ...] = ()

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
    def task_labels(self) -> tuple[int, ...]:
        """Task label of each experience."""
        told = self.scenario is Scenario.TASK
        return tuple(task if told else 0 for task in range(self.n_experiences))

    @property
    def n_outputs(self) -> int:
        """Classes of a head: of the largest task, or of all together."""
        sizes = [len(group) for group in self.classes]
        return sum(sizes) if self.scenario is Scenario.CLASS else max(sizes)

    def told_classes(self, task: int) -> tuple[int, ...]:
        """Class of the dataset for each output of a task's network."""
        if self.scenario is Scenario.CLASS:
            return tuple(number for group in self.classes for number in group)
        return self.classes[task]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def n_bytes(self) -> int:
        """Of all its images, for training and for test."""
        return sum(store.images.shape.numel() for store in (self.train, self.test))

    @property
    def in_files(self) -> bool:
        """Whether its images are read from files, batch by batch."""
        return not isinstance(self.train.images, Tensor)

    @property
    def example_input(self) -> Tensor:
        """One image of zeros, (1, C, H, W), float32."""
        return torch.zeros(1, *self.input_shape)

    def heldout_of(self, experience: Any) -> list[AvalancheDataset]:
        """What was held out of an experience of `benchmark`, or of all for the joint one."""
        if len(experience.origin_stream) != self.n_experiences:
            return list(self.heldout)
        return [self.heldout[experience.current_experience]]


def build_stream(
    settings: StreamSettings,
    holdout_share: float,
    seed: int,
    root: Path,
    most: int | None = None,
) -> Stream:
    """Load a dataset and cut it into experiences.

    Args:
        settings: What to cut, and how.
        holdout_share: Share of each experience's training images that is held out of training.
        seed: Draws which images are held out and, under `order_by_seed`, the order of classes.
        root: Data root.
        most: Bytes that its images may take in memory, else they stay in files; None: any.

    Raises:
        UsageError: The data are not there or cannot be cut so, or a class lacks images.
    """
    settings = settled(settings, seed)
    data = prepared(load_data(settings.dataset, settings.size, root), settings)
    data = placed(data, most, root)
    parts = parts_of(data, settings)
    train, test = stores(data, settings, _class_numbers(data, settings, parts))
    train_rows = _rows(data, data.train_targets, parts, settings.n_train_per_class)
    if data.train_domains is not None:
        train_rows = [
            rows if part.domain is None else rows[data.train_domains[rows] == part.domain]
            for part, rows in zip(parts, train_rows)
        ]
    test_rows = _rows(data, data.test_targets, parts, None)

    firsts = [part.view * len(data.train_targets) for part in parts]
    split = list(_held_out(train_rows, holdout_share, Generator().manual_seed(seed)))
    check_enough(data, settings, parts, [rows for _, rows in split], holdout_share)
    held, kept = ([rows + first for rows, first in zip(side, firsts)] for side in zip(*split))
    shown = [rows + part.view * len(data.test_targets) for part, rows in zip(parts, test_rows)]

    labels = list(range(len(parts)))
    if settings.scenario is not Scenario.TASK:
        labels = [0] * len(parts)
    benchmark = benchmark_of(
        datasets_of(train, kept, labels), test=datasets_of(test, shown, labels)
    )
    heldout = tuple(datasets_of(train, held, labels))
    classes = tuple(part.classes for part in parts)
    how = (settings.scenario, settings.score_on, data.class_names)
    return Stream(benchmark, heldout, train, test, classes, *how)


def _held_out(
    rows_of: Sequence[Tensor], share: float, generator: Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of each experience that are held out, and the others; both in file order."""
    for rows in rows_of:
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        n_held = round(share * len(rows))
        _check_left(share, len(rows) - n_held, len(rows))
        yield shuffled[:n_held].sort().values, shuffled[n_held:].sort().values


def _check_left(holdout_share: float, n_left: int, n_images: int) -> None:
    if n_left == 0:
        raise UsageError(
            f"training.holdout_share={holdout_share} of the {n_images} images of an experience"
            " leaves none to train on"
        )


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
    return benchmark_of([first]).train_stream[0]


def _class_numbers(data: ImageData, settings: StreamSettings, parts: Sequence[Part]) -> Tensor:
    """Class of the dataset -> class as the network is to tell it, (classes,), int64."""
    numbers = torch.zeros(data.n_classes, dtype=torch.int64)  # 0: of no experience that is used
    first = 0
    for part in parts:
        numbers[list(part.classes)] = torch.arange(len(part.classes)) + first
        if settings.scenario is Scenario.CLASS:
            first += len(part.classes)
    return numbers


def _rows(
    data: ImageData, targets: Tensor, parts: Sequence[Part], limit: int | None
) -> list[Tensor]:
    """Rows of each experience in file order; of each class at most the first `limit`."""
    by_class = [(targets == c).nonzero().flatten()[:limit] for c in range(data.n_classes)]
    return [torch.cat([by_class[c] for c in part.classes]).sort().values for part in parts]


def benchmark_of(train: Sequence[AvalancheDataset], **streams: Any) -> Any:
    """An Avalanche benchmark whose experiences know their classes and task labels.

    Args:
        train: A dataset per experience.
        streams: Other streams, by name.
    """
    benchmark = benchmark_from_datasets(train=train, **streams)
    benchmark = with_task_labels(with_classes_timeline(benchmark))
    for stream in benchmark.streams.values():
        for experience in stream:
            # Avalanche's multi-head models index a tensor with them, which takes no set
            experience.classes_in_this_experience = sorted(
                experience.classes_in_this_experience
            )
    return benchmark


def datasets_of(
    store: ImageStore, rows: Sequence[Tensor], labels: Sequence[int]
) -> list[AvalancheDataset]:
    """One Avalanche dataset per experience; the attribute `rows` leads back to the store."""
    targets = DataAttribute(store.targets.tolist(), "targets")
    whole = AvalancheDataset(
        [store], data_attributes=[targets, DataAttribute(range(len(store)), "rows")]
    )

    # every subset refers to one store, so that images are held once; plugins ask for tasks
    return [
        TaskAwareClassificationDataset(
            [whole.subset(chosen.tolist())],
            data_attributes=[
                DataAttribute(
                    ConstantSequence(label, len(chosen)),
                    "targets_task_labels",
                    use_in_getitem=True,
                )
            ],
        )
        for label, chosen in zip(labels, rows)
    ]
