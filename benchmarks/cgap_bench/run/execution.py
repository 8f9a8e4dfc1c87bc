"""Many runs over local processes; finished ones are kept, dependants run after CGaP."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.record.record import (
    Record,
    ensure_present_schema,
    ensure_writable,
    read_record,
    record_path,
)
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import MINUTES, Checkpoints
from cgap_bench.run.reference import Reference, reference_of
from cgap_bench.run.workers import Report, work, worker_pool


@dataclass(frozen=True)
class Options:
    """How to execute; nothing here can change a number.

    Attributes:
        output: Folder that records go to.
        root: Data root.
        jobs: Processes at a time.
        force: Run again what has a record, from the start.
        checkpoint_minutes: Training between two checkpoints inside an experience; 0: none.
    """

    output: Path
    root: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False
    checkpoint_minutes: float = MINUTES

    @property
    def checkpoints(self) -> Checkpoints:
        """What is kept of a run while it goes on."""
        every_s = 60 * self.checkpoint_minutes or None
        return Checkpoints(self.output, every_s, anew=self.force)

    def finished(self, job: Job) -> Record | None:
        """The record of a run that need not be done again."""
        path = record_path(self.output, job.config.benchmark, job.run_id)
        return read_record(path) if path.exists() and not self.force else None


def execute(
    jobs: Sequence[Job], options: Options, report: Report
) -> Iterator[tuple[Job, Record]]:
    """Do all jobs that have no record yet, write each record, and hand out all records.

    Args:
        jobs: What to do, every job after the one it is sized by.
        options: How.
        report: Called from a thread while runs are going on.

    Raises:
        UsageError: The output folder cannot be written to or holds records of an older schema,
            a record cannot be read, or a run failed for a reason that the user can act on.
        RuntimeError: A run failed; all others have been finished and written before.
    """
    ensure_writable(options.output)
    for benchmark in {job.config.benchmark for job in jobs}:
        ensure_present_schema(options.output, benchmark)

    done: dict[str, Record] = {}
    waiting = []
    for job in jobs:
        record = options.finished(job)
        if record is None:
            waiting.append(job)
        else:
            done[job.run_id] = record
            yield job, record
    if waiting:
        yield from _execute(waiting, done, options, report)


def _execute(
    waiting: list[Job], done: dict[str, Record], options: Options, report: Report
) -> Iterator[tuple[Job, Record]]:
    """Keep as many workers busy as asked for, until nothing is left that can be done."""
    failed: dict[str, BaseException] = {}
    running: dict[Future[Record], Job] = {}
    with worker_pool(min(options.jobs, len(waiting)), report) as pool:
        while waiting or running:
            for job in [job for job in waiting if _ready(job, done)]:
                waiting.remove(job)
                arguments = job, options.root, _reference(job, done), options.checkpoints
                running[pool.submit(work, *arguments)] = job
            if not running:
                break  # what is left is sized by a run that failed

            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                error = future.exception()
                if error is not None:
                    failed[job.name] = error
                    continue
                done[job.run_id] = future.result()
                yield job, future.result()
    if failed:
        raise _failure(failed, len(failed) + len(waiting))


def _ready(job: Job, done: dict[str, Record]) -> bool:
    return job.waits_for is None or job.waits_for in done


def _reference(job: Job, done: dict[str, Record]) -> Reference | None:
    return None if job.waits_for is None else reference_of(done[job.waits_for])


def _failure(failed: dict[str, BaseException], n_missing: int) -> Exception:
    """The first failure, with the number of runs that are missing for it."""
    name, cause = next(iter(failed.items()))
    kind = UsageError if isinstance(cause, UsageError) else RuntimeError
    error = kind(f"{n_missing} of the runs not done, first {name}: {cause}")
    error.__cause__ = cause
    return error
