"""The one loop over experiences: learn, measure, and hand back a record."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Generator

from cgap_bench.learn.batches import BatchSource
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.streams import Stream, build_stream
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.environment import describe_environment
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import Record
from cgap_bench.run.reference import Reference
from cgap_bench.run.results import Results


def train(
    config: RunConfig,
    root: Path,
    reference: Reference | None = None,
    on_images: Callable[[int], None] = lambda _n: None,
) -> Record:
    """Run one method over one stream with one seed.

    Args:
        config: The resolved configuration.
        root: Data root.
        reference: For methods that are sized by the CGaP run of the same seed.
        on_images: Told the number of training images after each epoch.
    """
    run = Run(config, root, reference, on_images)
    while run.next_experience < run.context.stream.n_experiences:
        run.step()
    return run.record()


class Run:
    """One run at any moment: all that its next batch and its record depend on hangs here.

    Two things lie outside, since torch and Avalanche read them where they are: the global
    generators of torch, numpy and random, which are seeded when a run is made. A process
    therefore makes one run at a time.

    Args:
        config: The resolved configuration.
        root: Data root.
        reference: The CGaP run that it is sized by, if any.
        on_images: Told the number of training images after each epoch.

    Attributes:
        context: Stream, source of batches (its generator: `context.source.generator`), device.
        learner: The method at work: networks, structure, and in `learner.strategy` the model,
            optimizer, plugins and place in Avalanche's loop.
        results: What was measured after each experience that is finished.
    """

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        reference: Reference | None = None,
        on_images: Callable[[int], None] = lambda _n: None,
    ) -> None:
        _seed_everything(config.seed)
        self.config, self.reference = config, reference
        stream = build_stream(config.stream, config.training.holdout_share, config.seed, root)
        self.context = _context(config, stream, reference, on_images)

        method = METHODS[config.method]
        settings = method.settings.model_validate(config.method_settings)
        self.learner = method.build(self.context, settings)
        self.results = Results(self.context)

    @property
    def next_experience(self) -> int:
        """How many experiences are finished."""
        return len(self.results.accuracy)

    def step(self) -> None:
        """Learn one more experience, then measure all tasks so far."""
        experience = self.context.stream.benchmark.train_stream[self.next_experience]
        with self.results.timed("train_s"):
            self.learner.learn(experience)
        with self.results.timed("evaluate_s"):
            self.results.measure(self.learner)

    def record(self) -> Record:
        """What came out, once the last experience is finished."""
        depends_on = self.reference.run_id if self.reference else None
        results = self.results

        return Record(
            run_id=run_id(self.config, depends_on),
            config=self.config,
            environment=describe_environment(self.context.device),
            timings=results.timings,
            depends_on=depends_on,
            accuracy=results.accuracy,
            accuracy_8bit=results.accuracy_8bit,
            n_test=[len(dataset) for dataset in self.context.stream.scored],
            networks=results.networks,
            subnetworks=results.subnetworks,
            stored_parameters=results.stored_parameters,
            history=self.learner.history,
            extra=self.learner.extra,
        )


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def _context(
    config: RunConfig,
    stream: Stream,
    reference: Reference | None,
    on_images: Callable[[int], None],
) -> Context:
    store = stream.train.to(torch.device(config.device))
    generator = Generator().manual_seed(config.seed)
    training = config.training
    source = BatchSource(store, training.augment, generator, training.memory_format)
    if reference is None:
        return Context(config, stream, source, on_images=on_images)
    return Context(config, stream, source, reference.macs, reference.widths, on_images)
