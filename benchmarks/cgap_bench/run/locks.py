"""One process a run: locks that the kernel gives back when their holder is gone, however."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cgap_bench.errors import UsageError

try:
    import fcntl
except ImportError:  # not on Windows: there two processes may do the same run
    fcntl = None  # type: ignore[assignment]

PATIENCE_S = 10.0  # a worker whose parent was killed needs a moment to notice


@contextmanager
def locked(output: Path, run_id: str, patience_s: float = PATIENCE_S) -> Iterator[bool]:
    """Hold the lock of a run.

    Args:
        output: Folder that records go to.
        run_id: Identity of the run.
        patience_s: Seconds to wait for a holder that may be about to end.

    Yields:
        Whether it was to be had; if not, another process is doing the run.

    Raises:
        UsageError: The folder cannot be written to.
    """
    path = output / "unfinished" / f"{run_id}.lock"
    until = time.monotonic() + patience_s
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while (handle := _acquired(path)) is None and time.monotonic() < until:
            time.sleep(0.05)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    if handle is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # before it is free: nobody's else
        os.close(handle)


def _acquired(path: Path) -> int | None:
    """A handle that holds the lock; None while another process does."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
        os.close(handle)  # its last holder has removed the file meanwhile
