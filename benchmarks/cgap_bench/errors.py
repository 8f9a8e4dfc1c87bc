"""Errors that a user can act on: the bad value, and what would have been good."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from traceback import format_exception
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class UsageError(Exception):
    """Something the user asked for cannot be done; the message is one clear line."""


class UnknownNameError(UsageError):
    """A name that is not among the known ones.

    Args:
        kind: What was looked for, for instance ``"method"``.
        name: The name that was asked for.
        known: All names that would have been accepted.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = [other for other in names if _last_part(other) == _last_part(name)]
        near += get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")


class InvalidRecordError(UsageError):
    """A file is no valid record; it is left alone."""


class DivergedError(Exception):
    """Training went to where no numbers are.

    Args:
        epoch: Of the experience, counted from 1; None: seen when it was measured.
        batch: Of the epoch, likewise.
    """

    def __init__(self, epoch: int | None = None, batch: int | None = None) -> None:
        super().__init__(epoch, batch)
        self.epoch, self.batch = epoch, batch


class RunError(Exception):
    """A run could not be finished, through no fault of its settings; one clear line."""


class Stop(BaseException):
    """A signal asks the program to end.

    Args:
        number: Of the signal.

    Attributes:
        kept: What is kept of the work so far, in words.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number, self.kept = number, ""


class OutOfDateError(Exception):
    """Something generated is not what the records say."""


def place_text(path: Path, line: int | None) -> str:
    """``"net.py, line 12"``: where something is written, as seen from the present folder."""
    path, here = path.resolve(), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}, line {line}" if line else str(shown)


def traced(told: E, cause: BaseException) -> E:
    """An error that keeps, as a note for `--debug`, how another one came about."""
    told.add_note("".join(format_exception(cause)).rstrip())
    return told


def _last_part(name: str) -> str:
    """Of a dotted key: what it is about, wherever it stands."""
    return name.rpartition(".")[2]
