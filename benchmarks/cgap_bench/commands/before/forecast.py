"""What will it take? Hours and disk of runs, from a probe of their networks on this machine."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cgap_bench.learn.batches import forward_in
from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.record.configuration import (
    REFERENCE_METHOD,
    MemoryFormat,
    NetworkSettings,
    RunConfig,
    TrainingSettings,
)
from cgap_bench.record.record import Record
from cgap_bench.run.experiences import stream_of
from cgap_bench.run.jobs import Job

PROBE_S = 0.25  # of each network
INFERENCE = 1 / 3  # of a training step: forward, against forward and twice as much backward
RECORD_BYTES = 20_000  # mean of the records of `results/runs`
AT_PEAK = "fixed-peak"  # all others that are sized by CGaP are so by what it costs in the end
CHECKPOINTS = 4  # kept of a run: the last two of each kind


@dataclass(frozen=True)
class Work:
    """What goes through the networks of a run.

    Attributes:
        trained: Images of one epoch of every experience together.
        evaluated: Images that fill the accuracy matrix, and its last row in 8 bits.
        input_shape: (C, H, W) of one.
        n_outputs: Classes of a head.
        n_experiences: In the stream.
    """

    trained: int
    evaluated: int
    input_shape: tuple[int, int, int]
    n_outputs: int
    n_experiences: int = 1

    @classmethod
    def of(cls, config: RunConfig, root: Path) -> "Work":
        """Cut the stream as the run will; loads the data."""
        stream = stream_of(config, root)
        experiences = stream.benchmark.train_stream
        # after experience k all tasks up to the k-th are scored, in the end once more in 8 bits
        scored = [
            len(dataset) * (stream.n_experiences - k + 1)
            for k, dataset in enumerate(stream.scored)
        ]
        return cls(
            sum(len(experience.dataset) for experience in experiences),
            sum(scored),
            stream.input_shape,
            stream.n_outputs,
            stream.n_experiences,
        )


def step_seconds(config: RunConfig, work: Work, share: float) -> tuple[float, int]:
    """Time of a training step on one thread, and the parameters of the network.

    Args:
        config: Network, batch, precision and order in memory.
        work: Shape of an image, classes.
        share: Of the network's multiply-adds: its square root is taken off every width.
    """
    own = config.network.model_dump()
    settings = NetworkSettings(**(own | {"width": own["width"] * math.sqrt(share)}))
    with torch.random.fork_rng(devices=[]):
        network = build_network(settings, work.input_shape, work.n_outputs)
        step = training_step(network, config, work)
        return median_s(on_one_thread(step)), n_parameters(network)


def training_step(network: nn.Module, config: RunConfig, work: Work) -> Callable[[], None]:
    """Forward, backward and optimizer step on images of noise, on the device of a run.

    Args:
        network: Is moved there and trained.
        config: Batch, precision and order in memory.
        work: Shape of an image.
    """
    training, last = config.training, MemoryFormat.CHANNELS_LAST
    images = noise(training.batch_size, work, config.device)
    if training.memory_format is last:
        images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.zeros(len(images), dtype=torch.int64, device=config.device)
    network.to(config.device).train()
    optimizer = optimizer_of(network.parameters(), training)

    def step() -> None:
        optimizer.zero_grad()
        logits = forward_in(training.precision, images.device, lambda: network(images))
        nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
        if config.device == "cuda":
            torch.cuda.synchronize()

    return step


def noise(n: int, work: Work, device: str) -> Tensor:
    """Images (N, C, H, W) that have maxima and signs to look for, as those of data have."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, *work.input_shape, generator=generator).to(device)


def optimizer_of(
    parameters: Iterable[nn.Parameter], training: TrainingSettings
) -> torch.optim.Optimizer:
    """What a step of it takes does not depend on the learning rate, which is next to none."""
    return torch.optim.SGD(
        parameters, 1e-6, training.momentum, weight_decay=training.weight_decay
    )


def on_one_thread(step: Callable[[], None]) -> Callable[[], float]:
    """The same step, which gives its seconds on one thread, as in a worker process."""

    def timed() -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            start = time.perf_counter()
            step()
            return time.perf_counter() - start
        finally:
            torch.set_num_threads(threads)

    return timed


def median_s(timed: Callable[[], float], probe_s: float = PROBE_S) -> float:
    """Of three steps or more after one to warm up.

    Args:
        timed: Does a step and gives its seconds.
        probe_s: Steps are done until they took so long.
    """
    timed()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < probe_s and len(times) < 50):
        times.append(timed())
    return sorted(times)[len(times) // 2]


class Forecast:
    """Time and disk of runs, each network and stream looked at once.

    Args:
        root: Data root.
        finished: The record of a job, None where it is still to do.
    """

    def __init__(self, root: Path, finished: Callable[[Job], Record | None]) -> None:
        self._root, self._finished = root, finished
        self._taken: dict[str, float | None] = {}
        self._work: dict[str, Work] = {}
        self._steps: dict[tuple[str, float], tuple[float, int]] = {}

    def work(self, config: RunConfig) -> Work:
        """What goes through the networks of a run."""
        # what is held out, and whether it must be, is a matter of training
        key = config.stream.model_dump_json() + config.training.model_dump_json()
        if key not in self._work:
            self._work[key] = Work.of(config, self._root)
        return self._work[key]

    def is_finished(self, job: Job) -> bool:
        """Whether a run need not be done again."""
        return self._taken_s(job) is not None

    def _taken_s(self, job: Job) -> float | None:
        """Seconds that a finished run took; its record is read once."""
        if job.run_id not in self._taken:
            record = self._finished(job)
            self._taken[job.run_id] = None if record is None else _taken_s(record)
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
        same = [other for other in jobs if kind(other) == kind(job)]
        times = [taken for other in same if (taken := self._taken_s(other)) is not None]
        if times:
            return sum(times) / len(times)

        evaluated = INFERENCE * self.work(job.config).evaluated
        return self.training_s(job) + self._image_s(job) * evaluated

    def training_s(self, job: Job) -> float:
        """Seconds of training alone, by a probe."""
        return self._image_s(job) * self.images(job.config)

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
        config, share = job.config, _share(job)
        about = {"network", "training", "device"}
        if config.method == REFERENCE_METHOD:
            about |= {"stream", "method_settings"}
        key = config.model_dump_json(include=about) + repr(self.work(config).input_shape)
        if (key, share) not in self._steps:
            self._steps[key, share] = self._probed(config, share)
        return self._steps[key, share]

    def _probed(self, config: RunConfig, share: float) -> tuple[float, int]:
        work = self.work(config)
        if config.method == REFERENCE_METHOD:
            from cgap_bench.commands.before.column_probe import plastic_step_seconds

            with suppress(ValueError):  # it cannot grow: what the run itself says is clearer
                return plastic_step_seconds(config, work)
        return step_seconds(config, work, share)


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


def _taken_s(record: Record) -> float:
    return float(
        sum(record.timings.get("train_s", [])) + sum(record.timings.get("evaluate_s", []))
    )
