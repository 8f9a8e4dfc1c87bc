"""Files as the runner reads and writes them: what goes wrong is one line for the user."""

from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_hw.files import UnreadableError, parse_toml, write_atomically
from cgap_hw.files import read_json as _json
from cgap_hw.files import read_text as _text
from cgap_hw.files import read_toml as _toml

__all__ = [
    "parse_toml",
    "read_json",
    "read_text",
    "read_toml",
    "write_atomically",
    "write_file",
]


def read_json(path: Path) -> Any:
    """The content of a JSON file, see `cgap_hw.files.read_json`.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return _json(path)
    except UnreadableError as error:
        raise UsageError(str(error)) from error


def read_text(path: Path) -> str:
    """The text of a file, see `cgap_hw.files.read_text`.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return _text(path)
    except UnreadableError as error:
        raise UsageError(str(error)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file, see `cgap_hw.files.read_toml`.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return _toml(path)
    except UnreadableError as error:
        raise UsageError(str(error)) from error


def write_file(path: Path, content: str | bytes, within: Path | None = None) -> Path:
    """Write a file in full or not at all, see `cgap_hw.files.write_atomically`.

    Args:
        path: Of the file; its folder is made.
        content: All of it; text becomes UTF-8.
        within: Folder that it must lie in, links followed.

    Raises:
        UsageError: It cannot be written; what was there is still there.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        write_atomically(path, data, within)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    return path
