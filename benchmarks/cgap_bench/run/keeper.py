"""Keeps what a run is about while it trains, and lets it go on there after it was killed."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorStrategy, TrainingWatch
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.run.checkpoints import BETWEEN, INSIDE, CheckpointFiles, State
from cgap_bench.run.logs.kinds import LogKind
from cgap_bench.run.results import Results

MINUTES = 5.0  # between checkpoints inside an experience, where nothing else is asked for


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often to keep what a run is about.

    Attributes:
        output: Folder that records go to; checkpoints lie in `unfinished/` below it.
        every_s: Seconds of training between two of them inside an experience; 0: before each
            batch; None: only after each experience.
        anew: What an earlier process kept is not used.
        networks: Those of all tasks are kept beside the record.
        logs: Loggers that are given what training says of itself.
        memory: What its images may take, else they stay in files.
    """

    output: Path
    every_s: float | None = 60 * MINUTES
    anew: bool = False
    networks: bool = False
    logs: tuple[LogKind, ...] = ()
    memory: MemoryBudget = field(default_factory=MemoryBudget)


class Kept(Protocol):
    """What a keeper needs of a run.

    Attributes:
        n_images: Training images so far.
        data_digest: Hash of the training images.
        results: What was measured.
    """

    n_images: int
    data_digest: str
    results: Results

    @property
    def n_experiences(self) -> int:
        """In all."""

    @property
    def next_experience(self) -> int:
        """How many experiences are finished."""

    def count_images(self, n: int) -> None:
        """So many more training images."""

    def state_dict(self) -> State:
        """Between experiences."""

    def load_state_dict(self, saved: State) -> None:
        """Counterpart of `state_dict`."""

    def inside(self, strategy: TensorStrategy) -> State:
        """Before a training batch."""

    def go_inside(self, strategy: TensorStrategy, saved: State) -> None:
        """Counterpart of `inside`."""


class Keeper(TrainingWatch):
    """Writes checkpoints of one run, after each experience and inside, and takes them up.

    Inside an experience a checkpoint is what a strategy is about before a batch. To go on
    there, the run is put into its state after the experience before, prepares the experience
    as it always does (so that nothing is kept that is made anew then), and only then put into
    the state before that batch.

    Args:
        setting: Where and how often.
        run_id: Identity of the run.
        tell: Told a line on what is taken up, and on what cannot be.
    """

    def __init__(
        self,
        setting: Checkpoints,
        run_id: str,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._files = CheckpointFiles(setting.output, run_id, tell)
        self.setting, self._tell = setting, tell
        self._run: Kept | None = None
        self._inside: State | None = None  # not yet taken up
        self._ending = False
        self._n_begun = 0  # trainings in the present experience; most methods have one
        self._last_s = time.monotonic()
        self._spent: dict[str, Any] = {"n": 0, "largest_bytes": 0, "write_s": 0.0, "resumed": 0}

    def end(self) -> None:
        """End the process at the next batch, with a checkpoint; called by a signal."""
        self._ending = True

    @property
    def experience(self) -> int:
        """The one that is going on, counted from 1; 0 before the data are loaded."""
        return 0 if self._run is None else self._run.next_experience + 1

    @property
    def run(self) -> Kept:
        """The run that is looked after."""
        assert self._run is not None, "call take_up first"
        return self._run

    def take_up(self, run: Kept) -> None:
        """Look after a run that has just been made; go on where an earlier process was."""
        self._run = run
        if self.setting.anew:
            self.remove()
        between, self._inside = self._files.newest()
        newest = self._inside or between
        if newest is not None and newest["data"] != run.data_digest:
            raise UsageError(
                "the data are not those that the run began with; put them back, or start it"
                " anew with --force"
            )
        if between is not None:
            run.load_state_dict(between["run"])
        if newest is not None:
            self._spent = {**newest["spent"], "resumed": newest["spent"]["resumed"] + 1}
            run.count_images(newest["n_images"] - run.n_images)
            self._tell(_where(run.next_experience, self._inside))
        run.results.timings["checkpoints"] = self._spent

    def begin(self, strategy: TensorStrategy) -> bool:
        """Go on inside the experience, if that is where the run was."""
        self._n_begun += 1
        if self._inside is None or self._inside["n_begun"] != self._n_begun:
            return False
        self.run.go_inside(strategy, self._inside["run"])
        self._inside = None
        return True

    def before_batch(self, strategy: TensorStrategy) -> None:
        """Write a checkpoint if it is time."""
        every_s = self.setting.every_s
        due = every_s is not None and time.monotonic() - self._last_s >= every_s
        if due or self._ending:
            state = {"run": self.run.inside(strategy), "n_begun": self._n_begun}
            self._write(INSIDE, strategy.clock.train_exp_iterations, state)
        if self._ending:
            raise SystemExit(128 + signal.SIGTERM)

    def after_experience(self) -> None:
        """Write a checkpoint; after the last experience there is the record."""
        self._n_begun, self._inside = 0, None
        if self.run.next_experience < self.run.n_experiences:
            self._write(BETWEEN, 0, {"run": self.run.state_dict()})

    def remove(self) -> None:
        """Once the record is written."""
        self._files.remove()

    def _write(self, kind: str, n_batches: int, state: State) -> None:
        started = time.perf_counter()
        state |= {
            "spent": self._spent,
            "n_images": self.run.n_images,
            "data": self.run.data_digest,
        }
        try:
            size = self._files.write(kind, self.run.next_experience, n_batches, state)
        except OSError as error:  # the run itself is in no danger
            self._tell(f"no checkpoint: {error.strerror or error}; the run goes on without")
            size = 0

        spent = self._spent
        spent["n"] += size > 0
        spent["largest_bytes"] = max(spent["largest_bytes"], size)
        spent["write_s"] += time.perf_counter() - started
        self._last_s = time.monotonic()


def _where(n_finished: int, inside: State | None) -> str:
    place = f"goes on in experience {n_finished + 1}"
    if inside is None:
        return place
    clock = inside["run"]["clock"]
    return f"{place}, epoch {clock['epoch'] + 1}, batch {clock['batch'] + 1}"
