"""The group of commands, and how what they raise becomes one line and an exit code."""

import atexit
import gc
import os
import signal
import sys
from io import TextIOWrapper
from traceback import format_exception
from typing import Any

import click

from cgap_bench.errors import OutOfDateError, RunError, Stop, UsageError
from cgap_bench.record.plain import printable

DEBUG = "cgap_bench.debug"  # key of what a context remembers
# What a command reads, records or modules, lives to its end: collecting it takes a tenth of
# the time and frees nothing. Workers are other processes.
RARELY = (100_000, 50, 1000)
SIGNALLED = 128  # shells add the signal's number


class _WrongInput(click.ClickException):
    exit_code = 2


class _End:
    """Ends the process: to free what torch or thousands of records hold takes seconds."""

    code = 1  # of an error that nobody catches

    def __call__(self) -> None:
        """Called by Python when all else is done."""
        for stream in filter(None, (sys.stdout, sys.stderr)):  # a shell may have closed one
            stream.flush()
        os._exit(self.code)


class Commands(click.Group):
    """Turns errors that a user can act on into one line and an exit code.

    2: something asked for cannot be done; 1: a run was not finished, or a number is out of
    date; 128 and the number of the signal that ended it.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        """As a program."""
        gc.set_threshold(*RARELY)
        end = _End()
        # before those whose temporary files or processes would be left: it is called after them
        if not (args or options) and "multiprocessing" not in sys.modules:
            atexit.register(end)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # names and signs that the locale lacks
                stream.reconfigure(errors="backslashreplace")
        try:
            return self.main(*args, **options)
        except OSError as error:
            if error.filename is not None:  # of files each command tells
                raise
            print(f"Error: cannot write the output: {error.strerror}", file=sys.stderr)
            _without_output()
            sys.exit(1)
        except SystemExit as asked:
            end.code = asked.code if isinstance(asked.code, int) else int(bool(asked.code))
            if end.code > SIGNALLED:  # at once
                end()
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """What a user can act on, in one line."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            _show_trace(ctx, error)
            raise _WrongInput(printable(str(error))) from error
        except (OutOfDateError, RunError) as error:
            _show_trace(ctx, error)
            raise click.ClickException(printable(str(error))) from error
        except (Stop, KeyboardInterrupt) as stop:
            number = getattr(stop, "number", signal.SIGINT)
            kept = getattr(stop, "kept", "")
            line = f"stopped by {signal.Signals(number).name}"
            click.echo(printable(f"{line}: {kept}" if kept else line), err=True)
            ctx.exit(SIGNALLED + number)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            told = _told_elsewhere(error)
            if told is None:
                raise
            _show_trace(ctx, error)
            raise _WrongInput(printable(told)) from error


def _told_elsewhere(error: Exception) -> str | None:
    """The line of an error of the cost model's, or of a user's own code; None of others."""
    from cgap_bench.learn.own.mistakes import in_own_code
    from cgap_hw import CostModelError

    return str(error) if isinstance(error, CostModelError) else in_own_code(error)


def _show_trace(ctx: click.Context, error: BaseException) -> None:
    """How an error came about, where `--debug` asks for it."""
    if ctx.meta.get(DEBUG):
        for line in "".join(format_exception(error)).splitlines():
            click.echo(printable(line), err=True)


def _without_output() -> None:
    """Python writes what is left in its buffer when it ends, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
