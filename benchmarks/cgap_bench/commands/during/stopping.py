"""Signals that ask a command to end become an exception, so that everything is ended well."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cgap_bench.errors import Stop

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # the last not on Windows


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stop` in here at the first of these signals; further ones change nothing.

    One that is ignored, as nohup does with SIGHUP, stays so.
    """
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise Stop(number)

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {n: signal.getsignal(n) for n in numbers}
    watched = [n for n in numbers if before[n] is not signal.SIG_IGN]
    for number in watched:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in watched:
            signal.signal(number, before[number])
