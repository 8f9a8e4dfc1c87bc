"""What a method's training takes: it learns two tasks of noise here, its loops cut short.

The learner is the one that the run would build, in its own loop: whatever its plugins do in a
step, in an epoch, or when an experience begins and ends, is in the time. Where the second
experience takes more multiply-adds than the first, the method may look at more with each: two
further experiences are counted, a batch each, and those that follow grow as the last one did.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from cgap_bench.commands.before.column_probe import ColumnCosts
from cgap_bench.commands.before.noise import MOST, images_of, noise_stream
from cgap_bench.commands.before.probe import NEXT_TO_NO_RATE, Work, one_thread
from cgap_bench.commands.before.short_loops import Clock, TimeUpError
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.training_macs import TrainingMacs
from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.experiences import context_of
from cgap_bench.run.reference import Reference
from cgap_cl import CGaPPlugin

TRAINING = 3  # passes of an image: forward, and twice as much backward
EPOCHS = 2  # some methods do something between epochs
GROWS = 1.1  # multiply-adds of the second experience, of the first one's
COUNTED = 4  # experiences whose multiply-adds are counted


@dataclass(frozen=True)
class Learnt:
    """What an experience took.

    Attributes:
        seconds: In the epochs that were trained.
        n_epochs: How many those were.
        epoch_s: What each further one takes.
        macs: Multiply-adds of an epoch.
    """

    seconds: float
    n_epochs: int
    epoch_s: float
    macs: float

    def seconds_in(self, epochs: int) -> float:
        """In so many epochs."""
        return self.seconds + (epochs - self.n_epochs) * self.epoch_s


@dataclass(frozen=True)
class Training:
    """What a run's training takes, on one thread.

    Attributes:
        first: Its first experience.
        later: The second; None: there is none.
        units: What all but the first take, in units of the second.
    """

    first: Learnt
    later: Learnt | None
    units: float

    def seconds_in(self, epochs: int) -> float:
        """All of it, in so many epochs of each experience."""
        later_s = 0.0 if self.later is None else self.later.seconds_in(epochs) * self.units
        return self.first.seconds_in(epochs) + later_s


def probed_training(config: RunConfig, work: Work, reference: Reference | None) -> Training:
    """What a run's training takes here; the number of its epochs hardly matters.

    Args:
        config: Of the run.
        work: What goes through its networks.
        reference: The CGaP run that it is sized by, None where it needs none.

    Raises:
        Exception: Whatever the method raises on such a stream.
        TimeUpError: It takes too long to tell.
    """
    n = work.n_experiences
    with torch.random.fork_rng(devices=[]), one_thread(), _silence():
        probe = MethodProbe(config, work, reference)
        learnt = [probe.learn(experience) for experience in range(min(n, 2))]
        macs = [one.macs for one in learnt]
        if n > 2 and macs[1] > GROWS * macs[0]:
            probe.clock.loop_s = 0.0
            with suppress(TimeUpError):
                macs += [probe.learn(k).macs for k in range(2, min(n, COUNTED))]
    if n == 1:
        return Training(learnt[0], None, 0.0)
    return Training(learnt[0], learnt[1], in_units(macs, n))


def in_units(macs: list[float], n: int) -> float:
    """What all experiences but the first take, in units of the second.

    Args:
        macs: Multiply-adds of the first experiences, two or more; what they grew by at last
            they go on growing by.
        n: Experiences.

    Example:
        >>> in_units([10.0, 10.0], 5), in_units([10.0, 20.0, 30.0, 40.0], 5)
        (4.0, 7.0)
        >>> in_units([10.0, 20.0, 30.0, 30.0], 5)
        5.5
    """
    _, unit, *others = macs
    growth = others[-1] - others[-2] if len(others) > 1 else 0.0
    known = macs[1:n]
    while len(known) < n - 1:
        known.append(known[-1] + growth)
    return sum(known) / unit if unit else float(n - 1)


def epochs_of(config: RunConfig) -> int:
    """Epochs that a probe trains."""
    return min(EPOCHS, config.training.epochs)


class MethodProbe:
    """A learner as a run builds it, before a stream of noise.

    Args:
        config: Of the run.
        work: What goes through its networks.
        reference: The CGaP run that it is sized by, if any.
    """

    def __init__(self, config: RunConfig, work: Work, reference: Reference | None) -> None:
        self.clock = Clock(config.device, images_of(work), MOST)
        self._counts = Counts(self.clock)
        training = config.training.model_copy(
            update={
                "epochs": epochs_of(config),
                "lr": NEXT_TO_NO_RATE,
                "min_lr": NEXT_TO_NO_RATE**2,  # not to stop for it
            }
        )
        short = config.model_copy(update={"training": training})
        self._stream = noise_stream(config, work, self.clock.check)
        context = context_of(short, self._stream, reference)
        method = METHODS[config.method]
        self._learner = method.build(
            replace(context, training_macs=self._counts),
            method.settings.model_validate(config.method_settings),
        )

    def learn(self, experience: int) -> Learnt:
        """Learn the next experience.

        Args:
            experience: Counted from 0.

        Raises:
            ValueError: Nothing was trained, or in a loop that nobody sees.
        """
        self._counts.begin()
        self.clock.begin()
        with self.clock.short_loops():
            try:
                self._learner.learn(self._stream.benchmark.train_stream[experience])
            finally:
                self._counts.stop()
        seconds, laps = self.clock.end(), self._counts.laps
        if not laps:
            raise ValueError(f"experience {experience} trains nothing")
        return Learnt(seconds, len(laps), min(laps), self._counts.macs_of_epoch)


class Counts(TrainingMacs):
    """Counts multiply-adds as in a run, and times epochs.

    Args:
        clock: Tells the time.

    Attributes:
        laps: Seconds of each epoch of an experience.
        macs_of_epoch: Multiply-adds of each.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self._began_s = clock, 0.0
        self._n_batches = 0
        self.begin()

    def begin(self) -> None:
        """A new experience."""
        self.total = self._n_batches = 0
        self.laps, self.macs_of_epoch = list[float](), 0.0

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """The first epoch begins.

        Raises:
            ValueError: The network changes from batch to batch.
        """
        super().before_training_exp()
        if any(isinstance(plugin, CGaPPlugin) for plugin in strategy.plugins):
            raise ValueError("columns change between batches, which are left out here")
        self._began_s = self._clock.now()

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """One more batch."""
        super().after_backward(strategy)
        self._n_batches += 1

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """An epoch ends, the next begins."""
        now = self._clock.now()
        self.laps.append(now - self._began_s)
        self._began_s = now
        self.macs_of_epoch = self.total / self._n_batches * len(strategy.dataloader)


def assumed_reference(sized_by: RunConfig, columns: ColumnCosts, work: Work) -> Reference:
    """A CGaP run as the probe of its columns ends, for what is sized by it.

    Args:
        sized_by: Of the CGaP run.
        columns: What its columns take, and how wide they end.
        work: What goes through its networks.
    """
    own = sized_by.method_settings
    tasks = (columns.first, *(columns.later,) * (work.n_experiences - 1))
    macs = sum(task.macs for task in tasks) / len(tasks)
    return Reference(
        "",
        macs,
        tuple(task.widths for task in tasks),
        stored=sum(task.parameters for task in tasks),
        peak=min(1.0, own["target_price"] * own["peak_ratio"]),
        training_macs=round(TRAINING * macs * work.trained * sized_by.training.epochs),
    )


@contextmanager
def _silence() -> Iterator[None]:
    """What a method has to say it says in the run."""
    nowhere = io.StringIO()
    with redirect_stdout(nowhere), redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
