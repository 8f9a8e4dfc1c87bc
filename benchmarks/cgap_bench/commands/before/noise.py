"""A stream of noise in the shape of a run's: as many tasks, heads and classes, fewer images."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn import functional

from cgap_bench.commands.before.probe import Work
from cgap_bench.learn.streams import Stream
from cgap_bench.learn.streams.build import benchmark_of, datasets_of
from cgap_bench.learn.streams.store import ImageStore
from cgap_bench.record.configuration import RunConfig, Scenario

MOST = 2000  # images of an experience, enough for the usual memories
DIFFERENT = 256  # images; others are the same again
PATCH = 3  # pixels that resemble each other, on a side
FULL = 4  # experiences that have so many, later ones an image of each class

Check = Callable[[int], None]


class NoiseStore(ImageStore):
    """A few images that are shown over and over.

    Args:
        shape: (C, H, W) of one.
        targets: (N,), int64.
        check: Called with the number of images whenever some are read.
    """

    def __init__(self, shape: tuple[int, int, int], targets: Tensor, check: Check) -> None:
        levels = 128 + 64 * smooth_noise(DIFFERENT, shape)
        mean, std = (128.0,) * shape[0], (64.0,) * shape[0]
        super().__init__(levels.clamp(0, 255).to(torch.uint8), targets, mean, std)
        self._check = check

    def image_rows(self, rows: Tensor) -> Tensor:
        """The image behind a row."""
        return rows % DIFFERENT

    def pixels(self, rows: Tensor) -> Tensor:
        """Pixel values (n, C, H, W) of some rows, uint8."""
        self._check(len(rows))
        return super().pixels(rows)


def smooth_noise(n: int, shape: tuple[int, int, int]) -> Tensor:
    """Images (n, C, H, W) whose pixels resemble their neighbours, as those of data do.

    Projections take as long as the inputs of a layer have directions.
    """
    channels, height, width = shape
    coarse = (n, channels, math.ceil(height / PATCH), math.ceil(width / PATCH))
    values = torch.randn(coarse, generator=Generator().manual_seed(0))
    return functional.interpolate(values, (height, width), mode="bilinear")


def images_of(work: Work) -> int:
    """Training images of an experience of a run, on average."""
    return math.ceil(work.trained / work.n_experiences)


def noise_stream(config: RunConfig, work: Work, check: Check) -> Stream:
    """What a method learns from in a probe.

    Args:
        config: Of the run.
        work: What goes through its networks.
        check: Called with the number of images whenever some are read.
    """
    scenario, n_experiences = config.stream.scenario, work.n_experiences
    classes = _classes(scenario, work)
    sizes = _sizes(work, config.training.holdout_share)
    targets = [_targets(*pair) for n in sizes for pair in zip(classes, n)]
    store = NoiseStore(work.input_shape, torch.cat(targets), check)

    rows = torch.arange(len(store)).split([len(some) for some in targets])
    told = scenario is Scenario.TASK
    labels = [task if told else 0 for task in range(n_experiences)]
    kept = datasets_of(store, rows[:n_experiences], labels)
    held = tuple(datasets_of(store, rows[n_experiences:], labels))
    score_on = config.stream.score_on
    return Stream(
        benchmark_of(kept, test=kept), held, store, store, classes, scenario, score_on
    )


def _classes(scenario: Scenario, work: Work) -> tuple[tuple[int, ...], ...]:
    """Outputs that the classes of each experience have."""
    n, n_outputs = work.n_experiences, work.n_outputs
    if scenario is not Scenario.CLASS:
        return (tuple(range(n_outputs)),) * n
    ends = [k * n_outputs // n for k in range(n + 1)]
    return tuple(tuple(range(*pair)) for pair in pairwise(ends))


def _sizes(work: Work, held_share: float) -> tuple[list[int], list[int]]:
    """Images of each experience, and those held out of it, which are fewer."""
    n = min(images_of(work), MOST)
    n_held = min(round(images_of(work) * held_share / (1 - held_share)), n - 1)
    n_full = min(FULL, work.n_experiences)

    def sizes(some: int) -> list[int]:
        few = min(some, work.n_outputs)
        return [some] * n_full + [few] * (work.n_experiences - n_full)

    return sizes(n), sizes(n_held)


def _targets(outputs: tuple[int, ...], n: int) -> Tensor:
    """One of the outputs after the other, (n,)."""
    return torch.tensor(outputs)[torch.arange(n) % len(outputs)]
