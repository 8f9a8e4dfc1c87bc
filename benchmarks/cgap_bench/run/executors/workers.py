"""Worker processes: one a run, one thread each; whatever ends one of them costs no other."""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

import torch

from cgap_bench.errors import RunError, UsageError, traced
from cgap_bench.export.kept import folder_of
from cgap_bench.learn.images.reading import end_with_parent
from cgap_bench.learn.own.mistakes import in_own_code
from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.store import read_record, record_path, write_record
from cgap_bench.run.executors.gpus import CUDA, least_used, see_only, visible
from cgap_bench.run.executors.interface import Outcome, Report
from cgap_bench.run.executors.server import HELD, context, signals_held
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.run.locks import locked
from cgap_bench.run.logs.listener import Listener, Pipe
from cgap_bench.run.own.fingerprints import Fingerprints
from cgap_bench.run.reference import Reference

READER = "DataLoader worker (pid"
GRACE_S = 1.2  # from the wish that a worker ends to its end: a checkpoint may take that long


@dataclass(frozen=True)
class Processes:
    """Of this machine, see `Executor`.

    Args:
        n_processes: Runs at a time.
    """

    n_processes: int

    def crew(self, report: Report) -> "Crew":
        """See `Executor`."""
        return Crew(self.n_processes, report)


class Crew:
    """Worker processes of this machine, see `cgap_bench.run.executors.interface.Crew`.

    Args:
        size: Processes at a time.
        report: Called while runs are going on.
    """

    def __init__(self, size: int, report: Report) -> None:
        self.retries = 1
        self._size, self._report = size, report
        self._context = context()
        self._busy: dict[Connection, tuple[Job, Any, str | None]] = {}

    def __len__(self) -> int:
        return len(self._busy)

    @property
    def n_free(self) -> int:
        """How many can be started now."""
        return self._size - len(self._busy)

    def start(
        self, job: Job, root: Path, reference: Reference | None, checkpoints: Checkpoints
    ) -> None:
        """Begin a run in a process of its own."""
        ours, theirs = self._context.Pipe(duplex=False)
        used = [gpu for _, _, gpu in self._busy.values()]
        gpu = least_used(visible(), used) if job.config.device == CUDA else None
        arguments = (theirs, gpu, job, root, reference, checkpoints)
        process = self._context.Process(target=_live, args=arguments, daemon=True)  # type: ignore[attr-defined]
        with signals_held():  # else a handler's exception may be lost, or its process
            process.start()
            theirs.close()  # what comes from it ends when the worker does
            self._busy[ours] = job, process, gpu

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Wait for whatever workers have to say; those that have ended, and how."""
        for ready in wait(list(self._busy)):
            assert isinstance(ready, Connection)
            job, process, _ = self._busy[ready]
            try:
                message = ready.recv()
            except (EOFError, OSError):
                process.join(GRACE_S)
                message = Outcome(error=RunError(_cause(process.exitcode)), died=True)
            if not isinstance(message, Outcome):
                self._report(job.run_id, message)
                continue
            del self._busy[ready]
            ready.close()
            yield job, message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask all that are left to keep where they are and end; after a moment, end them."""
        processes = [process for _, process, _ in self._busy.values()]
        for process in processes:
            process.terminate()
        until = time.monotonic() + GRACE_S
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()
        self._busy.clear()


def work(
    job: Job,
    root: Path,
    reference: Reference | None,
    keeper: Keeper,
    report: Callable[[int | str | Standing], None],
) -> Outcome:
    """Run and write the record at once, so that nothing is lost later.

    Args:
        job: What to run.
        root: Data root.
        reference: The run that it is sized by, if any.
        keeper: Keeps what the run is about meanwhile.
        report: Told training images, where training is, and lines.

    Raises:
        UsageError: Own code or images are not those that the run was planned with.
    """
    setting = keeper.setting
    path = record_path(setting.output, job.config.benchmark, job.run_id)
    with locked(setting.output, job.run_id) as ours:
        if not ours:
            return Outcome()
        networks = folder_of(path) if setting.networks else None
        complete = path.exists() and (networks is None or networks.exists())
        if complete and not setting.anew:  # another process has just finished it
            return Outcome(read_record(path))
        Fingerprints(root).check(job.config)
        with _listening(job, keeper.setting, report) as listener:
            record = train(job.config, root, reference, listener, keeper, networks)
        write_record(record, setting.output)
        keeper.remove()
        return Outcome(record)


@contextmanager
def _listening(
    job: Job, setting: Checkpoints, report: Callable[[int | str | Standing], None]
) -> Iterator[Listener]:
    """Who hears of the run: the parent process, and loggers that were asked for."""
    if not setting.logs:
        yield Pipe(report)
        return
    from cgap_bench.run.logs.run_log import LogPlace, RunLog

    place = LogPlace(setting.logs, setting.output, setting.anew)
    log = RunLog(report, job.config, job.run_id, place)
    try:
        yield log
    finally:  # a signal that asks the process to end comes by here too
        log.close()


def lived(
    job: Job,
    root: Path,
    reference: Reference | None,
    keeper: Keeper,
    report: Callable[[int | str | Standing], None],
) -> Outcome:
    """The same in a process of its own, whose errors can be sent to another; see `work`."""
    # processes share the cores, and numbers do not depend on how many there are
    torch.set_num_threads(1)
    try:
        return work(job, root, reference, keeper, report)
    except (UsageError, RunError) as error:  # a subclass does not survive the way out of here
        kind = UsageError if isinstance(error, UsageError) else RunError
        return Outcome(error=traced(kind(str(error)), error))
    except Exception as error:
        return Outcome(error=_told(error, keeper))


def _live(
    connection: Connection,
    gpu: str | None,
    job: Job,
    root: Path,
    reference: Reference | None,
    checkpoints: Checkpoints,
) -> None:
    """The life of a worker process."""
    _heed_the_parent()
    see_only(gpu)
    multiprocessing.current_process().daemon = False  # it may have processes that read images
    keeper = Keeper(checkpoints, job.run_id, connection.send)
    signal.signal(signal.SIGTERM, lambda *_: keeper.end())
    Thread(target=end_with_parent, daemon=True).start()
    connection.send(lived(job, root, reference, keeper, connection.send))


def _heed_the_parent() -> None:
    """A terminal asks the whole group to end: the parent decides, and then terminates."""
    for name in ("SIGINT", "SIGHUP"):  # the latter not on Windows
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # while there is nothing to keep, at once; a handler of the parent's would be forked along
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def _told(error: Exception, keeper: Keeper) -> Exception:
    """An error in words, as it can be sent to another process."""
    if _no_memory(error):
        return RunError(
            f"no memory left in experience {keeper.experience}; lower training.batch_size,"
            f" training.eval_batch_size, network.width or --jobs ({str(error)[:200]})"
        )
    if READER in str(error):  # torch's words for one of its processes
        return RunError(
            f"a process that reads images ended in experience {keeper.experience}; is there"
            f" enough memory, in /dev/shm too? ({str(error)[:200]})"
        )
    if own := in_own_code(error):
        return traced(UsageError(own), error)
    return RuntimeError("".join(traceback.format_exception(error)))


def _no_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch has no class of its own for the CPU's
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; is there enough memory?" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with code {exit_code}"
