"""The server that worker processes are forked from; nothing here imports torch."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import context as contexts

LONGEST_FOLDER = 70  # bytes; a socket has 107, of which its own names take 33
# that ask for an end; the last is not on Windows
HELD = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


def context() -> contexts.BaseContext:
    """A server that has imported everything once and forks from there, where there is one.

    It listens on a socket in the folder for temporary files, whose path must be short.
    """
    long = len(os.fsencode(tempfile.gettempdir())) > LONGEST_FOLDER
    if long or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["cgap_bench.run.preload"])
    return server


def begin() -> None:
    """Let the server import while this process does, which takes as long; else one waits."""
    if context().get_start_method() != "forkserver":
        return
    from multiprocessing.forkserver import ensure_running

    with signals_held():  # it has them held, too, until it is there
        ensure_running()


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals wait: Python swallows what is raised inside the hooks of a fork."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
