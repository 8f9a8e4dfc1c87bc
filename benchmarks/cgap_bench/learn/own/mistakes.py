"""An error in a user's own code, in one line: the file, the line, and what went wrong."""

import traceback
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError, place_text
from cgap_bench.learn.own.sources import OURS, is_installed
from cgap_bench.registry import imported

MOST_CHARACTERS = 300


def in_own_code(error: BaseException) -> str | None:
    """``"net.py, line 12: ValueError: bad width"``; None where none of it is a user's.

    What fails in a library counts as the line of the user's that called it.

    Args:
        error: As it was caught, with its traceback.
    """
    place = _syntax(error) or _raised(error)
    if place is None:
        return None
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    words = " ".join(said.split())[:MOST_CHARACTERS]
    kind = type(error).__name__
    return f"{place}: {kind}: {words}" if words else f"{place}: {kind}"


def told(what: str, error: BaseException) -> UsageError:
    """The error of a user's own function or module.

    Args:
        what: Which, for instance ``"network net:small"``.
        error: As it was caught; how it came about is kept with `--debug`.
    """
    kind = f"{type(error).__name__}: {' '.join(str(error).split())[:MOST_CHARACTERS]}"
    return UsageError(f"{what}: {in_own_code(error) or kind}")


def own_function(what: str, name: str, parameters: str, *arguments: Any) -> Callable[..., Any]:
    """A user's function, imported; that it can be called as it will be is seen to.

    Args:
        what: What it makes, for messages.
        name: ``module:function``.
        parameters: How it is called, for messages.
        arguments: What it will be called with.

    Raises:
        UsageError: There is no such function, its module fails, or it takes something else.
    """
    try:
        function = imported(name)
    except ModuleNotFoundError as error:  # it, or what it imports
        raise UsageError(f"{what}: {error}") from error
    except AttributeError as error:
        if in_own_code(error):
            raise told(what, error) from error
        raise UsageError(f"{what}: {error}") from error
    except Exception as error:
        raise told(what, error) from error
    return checked_call(what, function, parameters, *arguments)


def checked_call(
    what: str, function: Any, parameters: str, *arguments: Any
) -> Callable[..., Any]:
    """The same of a function that is imported already."""
    if not callable(function):
        raise UsageError(f"{what} is {function!r}, not a function {parameters}")
    try:
        signature(function).bind(*arguments)
    except TypeError as error:
        raise UsageError(f"{what} is called as {parameters}: {error}") from error
    except ValueError:  # of C, it does not say
        pass
    made: Callable[..., Any] = function
    return made


def _syntax(error: BaseException) -> str | None:
    if not isinstance(error, SyntaxError) or error.filename is None:
        return None
    path = Path(error.filename)
    return place_text(path, error.lineno) if _is_own(path) else None


def _raised(error: BaseException) -> str | None:
    """The last line of a user's own on the way to where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename))]
    return place_text(Path(own[-1].filename), own[-1].lineno) if own else None


def _is_own(path: Path) -> bool:
    if not path.is_file():  # <string>, <frozen importlib>
        return False
    path = path.resolve()
    return not is_installed(path) and not any(
        path.is_relative_to(one) for one in _our_folders()
    )


@cache
def _our_folders() -> tuple[Path, ...]:
    """Of the project's packages, which need not be installed to be ours."""
    specs = (find_spec(name) for name in sorted(OURS))
    places = (spec.submodule_search_locations or [] for spec in specs if spec is not None)
    return tuple(Path(folder).resolve() for found in places for folder in found)
