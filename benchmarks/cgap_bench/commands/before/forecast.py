"""What will it take? Hours and disk of runs, from probes of their methods on this machine."""

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from cgap_bench.commands.before.column_probe import ColumnCosts, column_costs
from cgap_bench.commands.before.method_probe import (
    Training,
    assumed_reference,
    epochs_of,
    probed_training,
)
from cgap_bench.commands.before.probe import Work, step_seconds
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.record.configuration import REFERENCE_METHOD, RunConfig
from cgap_bench.record.record import Record
from cgap_bench.run.jobs import Job

INFERENCE = 1 / 3  # of a training step: forward, against forward and twice as much backward
RECORD_BYTES = 20_000  # mean of the records of `results/runs`
AT_PEAK = "fixed-peak"  # all others that are sized by CGaP are so by what it costs in the end
LONGEST_S = 1.5  # a step, a dozen of which a probe of a method may wait for
LARGE = 10**6  # parameters, of a network that is not to stay in memory
CHECKPOINTS = 4  # kept of a run: the last two of each kind

# Settings of training that say how a stream is cut, and whether its batches fit; what a step
# takes; and those that no probe of a method depends on.
CUTTING = {"holdout_share", "lr_schedule", "batch_size", "eval_batch_size"}
STEPPING = {"batch_size", "optimizer", "momentum", "weight_decay", "fused"}
STEPPING |= {"precision", "memory_format"}
LASTING = {"epochs", "lr", "min_lr"}


class Forecast:
    """Time and disk of runs, each network and stream looked at once.

    Args:
        root: Data root.
        finished: The record of a job, None where it is still to do.
        memory: What the images of a run may take, else they stay in files; None: any amount.
    """

    def __init__(
        self,
        root: Path,
        finished: Callable[[Job], Record | None],
        memory: MemoryBudget | None = None,
    ) -> None:
        self._root, self._finished, self._memory = root, finished, memory
        self._taken: dict[str, float | None] = {}
        self._work: dict[str, Work] = {}
        self._columns: dict[str, ColumnCosts | None] = {}
        self._steps: dict[str, tuple[float, int]] = {}
        self._trainings: dict[str, Training | None] = {}
        self._mean_s: tuple[Sequence[Job], dict[tuple[str, str], float]] | None = None

    def work(self, config: RunConfig) -> Work:
        """What goes through the networks of a run."""
        key = config.model_dump_json(include={"stream": True, "training": CUTTING})
        if key not in self._work:
            self._work[key] = Work.of(config, self._root, self._memory)
        return self._work[key]

    def is_finished(self, job: Job) -> bool:
        """Whether a run need not be done again."""
        return self._taken_s(job) is not None

    def _taken_s(self, job: Job) -> float | None:
        """Seconds that a finished run took; its record is read once."""
        if job.run_id not in self._taken:
            record = self._finished(job)
            self._taken[job.run_id] = None if record is None else record.spent_s
        return self._taken[job.run_id]

    def images(self, config: RunConfig) -> int:
        """Training images in all epochs of a run."""
        return self.work(config).trained * config.training.epochs

    def seconds(self, job: Job, jobs: Sequence[Job] = ()) -> float:
        """Of one process, for a run that is still to do; 0 for a finished one.

        Args:
            job: The run.
            jobs: Others: those of the same kind that are finished say more than a probe.
        """
        if self.is_finished(job):
            return 0.0
        known = self._means(jobs).get(kind(job))
        if known is not None:
            return known

        evaluated = INFERENCE * self.work(job.config).evaluated
        return self.training_s(job) + self._image_s(job) * evaluated

    def _means(self, jobs: Sequence[Job]) -> dict[tuple[str, str], float]:
        """Kind -> mean seconds of its finished runs; made once, there may be thousands."""
        if self._mean_s is None or self._mean_s[0] is not jobs:
            times: dict[tuple[str, str], list[float]] = {}
            for job in jobs:
                if (taken := self._taken_s(job)) is not None:
                    times.setdefault(kind(job), []).append(taken)
            self._mean_s = jobs, {key: sum(some) / len(some) for key, some in times.items()}
        return self._mean_s[1]

    def training_s(self, job: Job) -> float:
        """Seconds of training alone, by a probe of the method, or else of its network."""
        seconds = None
        if job.config.method != REFERENCE_METHOD:  # it has a probe of its own
            seconds = self._of_method(job)
        return self._image_s(job) * self.images(job.config) if seconds is None else seconds

    def _of_method(self, job: Job) -> float | None:
        """Seconds of training, each method looked at once; None: a probe does not work."""
        config, work, sized_by = job.config, self.work(job.config), job.sized_by
        key = _method_key(config, work) + repr(
            # it may train until it has spent what CGaP has, in so many epochs
            sized_by and (sized_by.method_settings, sized_by.training.epochs)
        )
        if key not in self._trainings:
            step_s, n_parameters = self._step(job)
            self._trainings[key] = self._probed(job) if step_s < LONGEST_S else None
            if n_parameters >= LARGE:  # its parts know each other: they would stay for a while
                gc.collect()
                torch.cuda.empty_cache()
        training = self._trainings[key]
        return None if training is None else training.seconds_in(config.training.epochs)

    def _probed(self, job: Job) -> Training | None:
        """What training takes; None where the method fails, the run will say in which words."""
        work, sized_by, reference = self.work(job.config), job.sized_by, None
        with suppress(Exception):
            if sized_by is not None:
                columns = self._columns_of(sized_by)
                assert columns is not None
                reference = assumed_reference(sized_by, columns, self.work(sized_by))
            return probed_training(job.config, work, reference)
        return None

    def _image_s(self, job: Job) -> float:
        return self._step(job)[0] / job.config.training.batch_size

    def disk_bytes(self, jobs: Sequence[Job], processes: int) -> int:
        """Of the records, and of the checkpoints of the runs that are under way at a time."""
        todo = [job for job in jobs if not self.is_finished(job)]
        sizes = [self._step(job)[1] for job in todo]
        # single precision, with what the optimizer remembers of each parameter
        checkpoints = CHECKPOINTS * 8 * max(sizes, default=0) * min(processes, len(todo))
        return RECORD_BYTES * len(todo) + checkpoints

    def _step(self, job: Job) -> tuple[float, int]:
        """Seconds of a training step, and parameters; of each network once."""
        config, work = job.config, self.work(job.config)
        columns = self._columns_of(config) if config.method == REFERENCE_METHOD else None
        if columns is not None:
            return columns.step(config.training, work)
        share = _share(job)
        key = _step_key(config, work) + repr(share)
        if key not in self._steps:
            self._steps[key] = step_seconds(config, work, share)
        return self._steps[key]

    def _columns_of(self, config: RunConfig) -> ColumnCosts | None:
        """None: the network cannot grow, what the run itself says of that is clearer."""
        work = self.work(config)
        key = _step_key(config, work) + repr((config.method_settings, config.stream.scenario))
        if key not in self._columns:
            self._columns[key] = None
            with suppress(ValueError):
                self._columns[key] = column_costs(config, work)
        return self._columns[key]


def _step_key(config: RunConfig, work: Work) -> str:
    """Of all that the time of a training step depends on."""
    return config.model_dump_json(
        include={"network": True, "training": STEPPING, "device": True}
    ) + repr((work.input_shape, work.n_outputs))


def _method_key(config: RunConfig, work: Work) -> str:
    """Of all that a probe of a method depends on."""
    about = {"method", "method_settings", "network", "training", "device"}
    # how many images are held out may differ by one or two from order to order
    shape = (work.input_shape, work.n_outputs, work.n_experiences, f"{work.trained:.2g}")
    more = (config.stream.scenario, *shape, epochs_of(config))
    return config.model_dump_json(include=about, exclude={"training": LASTING}) + repr(more)


def kind(job: Job) -> tuple[str, str]:
    """Runs of a kind differ in seed and order only."""
    return job.config.method, job.config.variant


def _share(job: Job) -> float:
    """Size of a network that is trained: that of the CGaP run that it is sized by, or all."""
    one = job.config if job.config.method == REFERENCE_METHOD else job.sized_by
    if one is None:
        return 1.0
    target, peak = (one.method_settings[key] for key in ("target_price", "peak_ratio"))
    return float(min(1.0, target * peak if job.config.method == AT_PEAK else target))
