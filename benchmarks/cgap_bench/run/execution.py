"""Many runs over processes or a cluster; finished ones are kept, dependants run after CGaP."""

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cgap_bench.errors import InvalidRecordError, RunError, UsageError
from cgap_bench.export.kept import folder_of
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.record.record import Record
from cgap_bench.record.store import (
    ensure_present_schema,
    ensure_writable,
    read_record,
    record_path,
)
from cgap_bench.run.executors.interface import Executor, Outcome, Report
from cgap_bench.run.executors.workers import Processes
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import MINUTES, Checkpoints
from cgap_bench.run.logs.kinds import LogKind
from cgap_bench.run.reference import Reference, reference_of

# A lost worker may hold the lock of its run for a while: its node is cut off and does not know
# yet, or a shared file system waits for it. Each try waits for `locks.PATIENCE_S`.
GHOST_TRIES = 12


@dataclass(frozen=True)
class Options:
    """How to execute; nothing here can change a number.

    Attributes:
        output: Folder that records go to.
        root: Data root.
        jobs: Processes at a time, of this machine; by default one a core.
        executor: Who runs them instead; None: processes of this machine.
        force: Run again what has a record, from the start.
        checkpoint_minutes: Training between two checkpoints inside an experience; 0: none.
        keep_networks: Keep those of all tasks beside the record; make again what has none.
        logs: Loggers that are given what training says of itself.
        memory_bytes: What the images of a run may take; None: a share of what there is.
    """

    output: Path
    root: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    executor: Executor | None = None
    force: bool = False
    checkpoint_minutes: float = MINUTES
    keep_networks: bool = False
    logs: tuple[LogKind, ...] = ()
    memory_bytes: int | None = None
    _seen: dict[Path, tuple[tuple[int, ...], Record]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def workers(self) -> Executor:
        """Who runs them."""
        return self.executor or Processes(self.jobs)

    @property
    def checkpoints(self) -> Checkpoints:
        """What is kept of a run while it goes on."""
        every_s = 60 * self.checkpoint_minutes or None
        kept = self.force, self.keep_networks, self.logs, self.memory
        return Checkpoints(self.output, every_s, *kept)

    @property
    def memory(self) -> MemoryBudget:
        """What the images of a run may take; a machine is shared by as many as it has cores."""
        n = min(self.workers.n_processes, os.cpu_count() or 1)
        return MemoryBudget(self.memory_bytes, max(1, n))

    def finished(self, job: Job) -> Record | None:
        """The record of a run that need not be done again."""
        path = record_path(self.output, job.config.benchmark, job.run_id)
        wanted = self.keep_networks and not folder_of(path).exists()
        return self._read(path) if path.exists() and not self.force and not wanted else None

    def _read(self, path: Path) -> Record:
        """A record, read once: a plan comes first, and there may be thousands."""
        now = path.stat()
        version = (now.st_ino, now.st_size, now.st_mtime_ns)
        seen = self._seen.get(path)
        if seen is None or seen[0] != version:
            seen = self._seen[path] = (version, read_record(path))
        return seen[1]


def execute(
    jobs: Sequence[Job], options: Options, report: Report
) -> Generator[tuple[Job, Record]]:
    """Do all jobs that have no record yet, write each record, and hand out all records.

    Args:
        jobs: What to do, every job after the one it is sized by.
        options: How.
        report: Called from a thread while runs are going on.

    Raises:
        UsageError: The output folder cannot be written to or holds records of an older schema,
            the file of a run is no valid record, or a run failed for a reason that the user
            can act on.
        RunError: A run could not be finished, for instance for want of memory.
        RuntimeError: A run failed for a reason that nobody foresaw.
    """
    ensure_writable(options.output)
    for benchmark in {job.config.benchmark for job in jobs}:
        ensure_present_schema(options.output, benchmark)

    agenda = _Agenda(report)
    for job in {job.run_id: job for job in jobs}.values():
        try:
            record = options.finished(job)
        except InvalidRecordError as error:  # left alone; all others are done
            agenda.settle(job, Outcome(error=error))
            continue
        if record is None:
            agenda.waiting.append(job)
        else:
            agenda.settle(job, Outcome(record))
            yield job, record
    yield from _execute(agenda, options)


def _execute(agenda: "_Agenda", options: Options) -> Iterator[tuple[Job, Record]]:
    """Keep as many workers busy as asked for, until nothing is left that can be done."""
    with options.workers.crew(agenda.report) as crew:
        while True:
            for job in agenda.ready()[: crew.n_free]:
                agenda.waiting.remove(job)
                crew.start(job, options.root, agenda.reference(job), options.checkpoints)
            if not len(crew):
                break

            for job, outcome in crew.ended():
                agenda.settle(job, outcome, crew.retries)
                if outcome.record is not None:
                    yield job, outcome.record
    agenda.close()


class _Agenda:
    """What is still to do, and what has become of the rest.

    Args:
        report: Told lines.

    Attributes:
        waiting: Not yet begun.
        done: Records of runs that others may be sized by.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.waiting: list[Job] = []
        self.done: dict[str, Record] = {}
        self._failed: dict[str, Exception] = {}
        self._diverged: set[str] = set()
        self._elsewhere: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self._ghosts: Counter[str] = (
            Counter()
        )  # met, or to be met, by runs whose worker was lost

    def ready(self) -> list[Job]:
        """Those that can be begun."""
        return [j for j in self.waiting if j.waits_for is None or j.waits_for in self.done]

    def reference(self, job: Job) -> Reference | None:
        """What a job is sized by."""
        return None if job.waits_for is None else reference_of(self.done[job.waits_for])

    def settle(self, job: Job, outcome: Outcome, retries: int = 0) -> None:
        """A worker has ended; a run whose worker died is to do again, so many times."""
        if outcome.record is not None and outcome.record.outcome is not None:
            self._diverged.add(job.run_id)
        elif outcome.record is not None:
            self.done[job.run_id] = outcome.record
        elif outcome.error is None and 0 < self._ghosts[job.run_id] <= GHOST_TRIES:
            self._ghosts[job.run_id] += 1
            self.waiting.append(job)
        elif outcome.error is None:
            self._elsewhere.add(job.run_id)
            self.report(job.run_id, "skipped: another process is doing it")
        elif outcome.died and self._deaths[job.run_id] < retries:
            self._deaths[job.run_id] += 1
            self._ghosts[job.run_id] = 1
            self.waiting.insert(0, job)
            self.report(job.run_id, f"{outcome.error}; it is tried once more")
        else:
            self._failed[job.name] = outcome.error

    def close(self) -> None:
        """Tell what was left out; raise what failed, with the number of runs missing for it."""
        for job in [job for job in self.waiting if job.waits_for in self._elsewhere]:
            self.waiting.remove(job)
            self.report(job.run_id, "skipped: the run that it is sized by is done elsewhere")
        for job in [job for job in self.waiting if job.waits_for in self._diverged]:
            self.waiting.remove(job)
            self._failed[job.name] = RunError("the run that it is sized by diverged")
        if self._failed:
            name, cause = next(iter(self._failed.items()))
            n_missing = len(self._failed) + len(self.waiting)
            kind = UsageError if isinstance(cause, UsageError) else type(cause)
            raise kind(f"{n_missing} of the runs not done, first {name}: {cause}") from cause
