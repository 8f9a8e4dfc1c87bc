"""Many runs over local processes; finished ones are kept, dependants run after CGaP."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from threading import Thread

import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig, run_id
from cgap_bench.record.record import (
    Record,
    ensure_writable,
    read_record,
    record_path,
    write_record,
)
from cgap_bench.run.experiences import Reference, train
from cgap_bench.shapes.tracing import total_macs

REFERENCE_METHOD = "cgap"
Report = Callable[[str, int], None]  # run_id, training images since the last call


@dataclass(frozen=True)
class Job:
    """One run to do.

    Attributes:
        config: Its configuration.
        sized_by: The CGaP run that it is sized by, None where it needs none.
    """

    config: RunConfig
    sized_by: RunConfig | None = None

    @property
    def run_id(self) -> str:
        """Identity of the run."""
        return run_id(self.config, run_id(self.sized_by) if self.sized_by else None)

    @property
    def name(self) -> str:
        """How it is called in messages."""
        variant = f" ({self.config.variant})" if self.config.variant else ""
        return f"{self.config.method}{variant}, seed {self.config.seed}"


@dataclass(frozen=True)
class Options:
    """How to execute; nothing here can change a number.

    Attributes:
        output: Folder that records go to.
        root: Data root.
        jobs: Processes at a time.
        force: Run again what has a record.
    """

    output: Path
    root: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False

    def finished(self, job: Job) -> Record | None:
        """The record of a run that need not be done again."""
        path = record_path(self.output, job.config.benchmark, job.run_id)
        return read_record(path) if path.exists() and not self.force else None


def plan(
    config_of: Callable[[str, int], RunConfig], methods: Sequence[str], seeds: Sequence[int]
) -> list[Job]:
    """All jobs, CGaP first; a CGaP run that others need is added if it was not asked for.

    Args:
        config_of: Method and seed -> configuration.
        methods: Names of methods.
        seeds: Seeds.
    """
    sized = [name for name in methods if METHODS[name].sized_by_cgap]
    plain = [name for name in methods if name not in sized]
    if sized and REFERENCE_METHOD not in plain:
        plain.insert(0, REFERENCE_METHOD)
    plain.sort(key=lambda name: name != REFERENCE_METHOD)
    jobs = [Job(config_of(name, seed)) for name in plain for seed in seeds]
    for name in sized:
        jobs += [Job(config_of(name, s), config_of(REFERENCE_METHOD, s)) for s in seeds]
    return jobs


def reference_of(record: Record) -> Reference:
    """What methods that are sized by a CGaP run need of it."""
    macs = [total_macs(record.networks[key]) for key in record.subnetworks[-1]]
    widths = tuple(step["executed"] for step in record.history if step["kind"] == "merge")
    return Reference(record.run_id, sum(macs) / len(macs), widths)


def execute(
    jobs: Sequence[Job], options: Options, report: Report
) -> Iterator[tuple[Job, Record]]:
    """Do all jobs that have no record yet, write each record, and hand out all records.

    Args:
        jobs: What to do, every job after the one it is sized by.
        options: How.
        report: Called from a thread while runs are going on.

    Raises:
        UsageError: The output folder cannot be written to, a record cannot be read, or a run
            failed for a reason that the user can act on.
        RuntimeError: A run failed; all others have been finished and written before.
    """
    ensure_writable(options.output)
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
    failed: dict[str, BaseException] = {}
    running: dict[Future[Record], Job] = {}
    with _pool(min(options.jobs, len(waiting)), report) as pool:
        while waiting or running:
            for job in _ready(waiting, done):
                waiting.remove(job)
                reference = _reference(job, done)
                running[pool.submit(_work, job, options, reference)] = job
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
        name, error = next(iter(failed.items()))
        kind = UsageError if isinstance(error, UsageError) else RuntimeError
        raise kind(
            f"{len(failed) + len(waiting)} of the runs not done, first {name}: {error}"
        ) from error


def _ready(waiting: Sequence[Job], done: dict[str, Record]) -> list[Job]:
    return [job for job in waiting if job.sized_by is None or run_id(job.sized_by) in done]


def _reference(job: Job, done: dict[str, Record]) -> Reference | None:
    return reference_of(done[run_id(job.sized_by)]) if job.sized_by else None


def _work(job: Job, options: Options, reference: Reference | None) -> Record:
    """In a worker process: run and write the record at once, so that nothing is lost later."""
    key = job.run_id
    try:
        record = train(job.config, options.root, reference, lambda n: _report(key, n))
    except UsageError as error:  # its subclasses do not survive the way between processes
        raise UsageError(str(error)) from None
    write_record(record, options.output)
    gc.collect()  # strategies and plugins hold one another, and with them a whole dataset
    return record


_queue: "SimpleQueue[tuple[str, int] | None] | None" = None


def _start_worker(queue: "SimpleQueue[tuple[str, int] | None]") -> None:
    """One thread each: processes share the cores, and numbers do not depend on their count."""
    global _queue  # noqa: PLW0603  the only way into a pool's workers
    _queue = queue
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a run at once
    torch.set_num_threads(1)


def _report(key: str, n_images: int) -> None:
    if _queue is not None:
        _queue.put((key, n_images))


@contextmanager
def _pool(n_workers: int, report: Report) -> Iterator[ProcessPoolExecutor]:
    """Worker processes whose reports reach a function here, called from a thread."""
    context = _context()
    queue: SimpleQueue[tuple[str, int] | None] = context.SimpleQueue()

    def listen() -> None:
        while (message := queue.get()) is not None:
            report(*message)

    listener = Thread(target=listen, daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(n_workers, context, _start_worker, (queue,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        queue.put(None)
        listener.join()


def _context() -> multiprocessing.context.BaseContext:
    """A server that has imported everything once and forks from there, where there is one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cgap_bench.run.execution"])
    return context
