"""Files: what others wrote is read within limits; what we write is there in full or not."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from cgap_hw.errors import CostModelError

try:
    import fcntl
except ImportError:  # not on Windows: there what a dead writer left stays
    fcntl = None  # type: ignore[assignment]

MEBIBYTE = 2**20
MOST_BYTES = 64 * MEBIBYTE  # of a file of data
MOST_TOML_BYTES = MEBIBYTE // 4  # of one that somebody wrote by hand
MOST_LINE = 2000  # characters; Python's parser of TOML is quadratic in the parts of a key
MOST_DEPTH = 60  # tables within tables
MOST_NUMBER = 2**63  # of whole ones


class UnreadableError(CostModelError):
    """A file cannot be read: which, and why."""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    Raises:
        UnreadableError: There is none, or it is larger than ``most`` bytes.
    """
    try:
        with os.fdopen(_opened(path), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError(f"cannot read {path}: it is no regular file")
            content = file.read(min(most, status.st_size) + 1)  # room for more takes time
            if len(content) > status.st_size:  # it grows, or its system tells no sizes
                content += file.read(most + 1 - len(content))
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        why = getattr(error, "strerror", None) or error
        raise UnreadableError(f"cannot read {path}: {why}") from error
    if len(content) > most:
        raise UnreadableError(f"cannot read {path}: larger than {most / MEBIBYTE:g} MiB")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file in UTF-8.

    Raises:
        UnreadableError: As `read_bytes`, or it is of another encoding.
    """
    try:
        text = read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"cannot read {path}: not UTF-8 at byte {error.start}") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UnreadableError: It is none, too large, nested too deep, or holds a number that no
            float is.
    """
    text = read_text(path)
    try:
        content = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"cannot read {path}: {_reason(error)}") from error
    said = "" if _harmless(text) else _problem(content)
    if said:
        raise UnreadableError(f"cannot read {path}: {said}")
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        UnreadableError: As `read_json`.
    """
    text = read_text(path, MOST_TOML_BYTES)
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise UnreadableError(f"cannot read {path}: {_reason(error)}") from error
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a text in TOML.

    Raises:
        ValueError: It is none, nested too deep, or holds a number that no float is.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MOST_LINE:
            raise ValueError(f"line {number} is longer than {MOST_LINE:,} characters")
    try:
        content = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_reason(error)) from error
    said = _problem(content)
    if said:
        raise ValueError(said)
    return content


def write_atomically(path: Path, content: bytes, within: Path | None = None) -> None:
    """Write a file beside its place, see it on the disk, and move it there.

    Whatever happens meanwhile, the path holds the old content or the new one. Its mode is that
    of any new file. What writers of the same file left when they were killed is removed.

    Args:
        path: Of the file; its folder is made. Links are followed.
        content: All of it.
        within: Folder that it must lie in, links followed.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    target = _target(path, within)
    target.parent.mkdir(parents=True, exist_ok=True)
    for rest in _leftovers(target):
        rest.unlink(missing_ok=True)

    handle, temporary = _opened_beside(target)
    try:
        try:
            _write_all(handle, content)
            os.fsync(handle)
            if fcntl is not None:
                os.replace(temporary, target)  # while it is locked: nobody takes it for a rest
        finally:
            os.close(handle)
        if fcntl is None:
            os.replace(temporary, target)  # Windows moves no open file
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(target.parent)


def _opened(path: Path) -> int:
    """For reading; a pipe that nobody writes to would be waited for."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"nested deeper than {MOST_DEPTH}"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _parsed(text: str) -> Any:
    """The values of a JSON text, by the quicker parser where it takes it."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)  # its limits are wider and its words are better


_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG = b"0" * 19  # a number of 18 digits is less than 2**63
_LARGE = re.compile(rb"e0000*(?:[\s,\]}]|$)")  # with an exponent of three digits
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _harmless(text: str) -> bool:
    """Whether a look at the text of a JSON file tells that `_problem` finds nothing.

    Thousands of records are read at a time, and going through all values of one takes longer
    than parsing it. False where it does not tell.
    """
    content = text.encode()
    plain = content.translate(_DIGITS, b"+")
    if _LONG in plain or b"NaN" in plain or b"Infinity" in plain or _LARGE.search(plain):
        return False
    brackets = content.translate(None, _NO_BRACKETS)
    for _ in range(MOST_DEPTH):  # the innermost pairs, layer by layer
        if not brackets:
            break
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


_INFINITY = float("inf")
_NESTED = (dict, list)  # as JSON and TOML are parsed


def _problem(content: Any) -> str:
    """What is wrong with parsed values; empty if nothing is."""
    pending: list[tuple[Any, int, str]] = [([content], 0, "")]
    while pending:
        holder, depth, key = pending.pop()
        if depth > MOST_DEPTH:
            return f"nested deeper than {MOST_DEPTH}"
        start = f"{key}." if key else ""
        named = type(holder) is dict
        # most of a file are texts and fine numbers: they take no place in the queue
        for name, value in holder.items() if named else enumerate(holder):
            kind = type(value)
            if kind in _NESTED:
                pending.append((value, depth + 1, f"{start}{name}" if named else key))
            elif kind is float and not -_INFINITY < value < _INFINITY:
                path = f"{start}{name}" if named else key
                return f"{path or 'a value'} is {value}, not a finite number"
            elif kind is int and not -MOST_NUMBER < value < MOST_NUMBER:
                path, n_bits = f"{start}{name}" if named else key, value.bit_length()
                return f"{path or 'a value'} is a number of {n_bits} bits; at most 63"
    return ""


def _target(path: Path, within: Path | None) -> Path:
    """Where a path leads; refuses what lies elsewhere, and what is no regular file."""
    try:
        target = path.resolve()
        outside = within is not None and not target.is_relative_to(within.resolve())
    except RuntimeError as error:  # links in a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    if outside:
        raise PermissionError(errno.EPERM, f"it leads out of {within}", str(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return target


def _opened_beside(target: Path) -> tuple[int, Path]:
    """A new file in the same folder, locked as long as its writer lives."""
    while True:
        temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl is None:
            return handle, temporary
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(handle), os.stat(temporary)):
                return handle, temporary
        except FileNotFoundError:  # taken for a rest between the two steps
            pass
        os.close(handle)


def _leftovers(target: Path) -> Iterator[Path]:
    """Of writers of the same file that are gone: nobody holds their locks."""
    if fcntl is None:
        return
    for path in target.parent.glob(f"{escape(_prefix(target))}*.tmp"):
        try:
            handle = os.open(path, os.O_WRONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        except OSError:  # its writer is at work
            continue
        finally:
            os.close(handle)


def _prefix(target: Path) -> str:
    return f".{target.name[:100]}."


def _write_all(handle: int, content: bytes) -> None:
    """The kernel may take less than it is given."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _sync(folder: Path) -> None:
    """See the folder's entries on the disk too; some file systems cannot."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
