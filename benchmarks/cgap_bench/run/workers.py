"""Worker processes: one thread each, finished records written at once, progress reported."""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from threading import Thread

import torch

from cgap_bench.errors import UsageError
from cgap_bench.record.record import Record, write_record
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.run.reference import Reference

# run_id, and training images since the last call or a line for people
Report = Callable[[str, int | str], None]
Queue = SimpleQueue[tuple[str, int | str] | None]


@contextmanager
def worker_pool(n_workers: int, report: Report) -> Iterator[ProcessPoolExecutor]:
    """Worker processes whose reports reach a function here, called from a thread."""
    context = _context()
    queue: Queue = context.SimpleQueue()

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
        queue.put(None)  # the listener's end
        listener.join()


def work(job: Job, root: Path, reference: Reference | None, checkpoints: Checkpoints) -> Record:
    """In a worker process: run and write the record at once, so that nothing is lost later.

    Args:
        job: What to run.
        root: Data root.
        reference: The run that it is sized by, if any.
        checkpoints: What is kept meanwhile, and the folder that the record goes to.
    """

    def report(what: int | str) -> None:
        _report(job.run_id, what)

    keeper = Keeper(checkpoints, job.run_id, report)
    try:
        record = train(job.config, root, reference, report, keeper)
    except UsageError as error:  # its subclasses do not survive the way between processes
        raise UsageError(str(error)) from None
    write_record(record, checkpoints.output)
    keeper.remove()
    gc.collect()  # strategies and plugins hold one another, and with them a whole dataset
    return record


_queue: Queue | None = None


def _start_worker(queue: Queue) -> None:
    """One thread each: processes share the cores, and numbers do not depend on their count."""
    global _queue  # noqa: PLW0603  the only way into a pool's workers
    _queue = queue
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a run at once
    torch.set_num_threads(1)


def _report(key: str, what: int | str) -> None:
    if _queue is not None:
        _queue.put((key, what))


def _context() -> multiprocessing.context.BaseContext:
    """A server that has imported everything once and forks from there, where there is one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
