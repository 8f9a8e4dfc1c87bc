"""Plain values as users write them, within limits that nothing asked for in earnest meets."""

import marshal
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

LARGEST = 1e12  # of a number
MOST_CHARACTERS = 2000  # of a text
MOST_ENTRIES = 10_000  # of a list or table
_NUMBERS = (int, float)
_HOLDERS = (dict, list, tuple, Mapping)  # the abstract one last: thousands of records are read


def check_plain(value: Any) -> None:
    """Look at a value and all that is in it.

    Raises:
        ValueError: A number is out of range, a text holds what is not printed, or is too long.
    """
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            _check_text(value)
        elif value is None:
            continue
        elif isinstance(value, _NUMBERS):
            if not abs(value) <= LARGEST:
                raise ValueError(f"expected a number from {-LARGEST:g} to {LARGEST:g}")
        elif isinstance(value, _HOLDERS):
            if len(value) > MOST_ENTRIES:
                raise ValueError(f"expected at most {MOST_ENTRIES:,} entries")
            pending += [*value, *value.values()] if isinstance(value, Mapping) else value


def check_kind(value: Any, annotation: Any) -> None:
    """Refuse true, false and digits as a text where a number is wanted: they would be taken.

    Raises:
        ValueError: It is one of them.
    """
    if not isinstance(value, bool | str):
        return
    kinds = _kinds(annotation)
    numbers = any(kind in kinds for kind in _NUMBERS)
    if isinstance(value, bool) and numbers and bool not in kinds:
        raise ValueError("expected a number, not true or false")
    if isinstance(value, str) and numbers and str not in kinds and _is_number(value):
        raise ValueError("expected a number, not a text, nor one out of all range")


@lru_cache(maxsize=1000)
def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types that a setting may be of."""
    choice = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if choice else (annotation,)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def printable(text: str) -> str:
    r"""A text in one line, whatever is not printed in the form of an escape.

    >>> print(printable("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def as_bytes(value: Any) -> bytes:
    """A value of JSON as a key to what is known of it: its text would take three times as long.

    >>> as_bytes([1, {"a": None}]) == as_bytes([1, {"a": None}]), as_bytes(1) == as_bytes(1.0)
    (True, False)
    """
    return marshal.dumps(value, 2)  # later versions write also how a text is kept


def from_bytes(content: bytes) -> Any:
    """Counterpart of `as_bytes`."""
    return marshal.loads(content)


def _check_text(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"expected at most {MOST_CHARACTERS:,} characters, got {len(text):,}")
    if not text.isprintable():
        raise ValueError("expected one line of text that can be printed")
