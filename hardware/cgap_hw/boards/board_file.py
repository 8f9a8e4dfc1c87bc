"""A board written as the TOML file that `load_board` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cgap_hw.boards.board import Board


def board_text(board: Board, comment: str = "") -> str:
    """Board and array as TOML, a value a line.

    Args:
        board: For instance what `calibrate` returns.
        comment: Lines for the top of the file, without ``#``.
    """
    head = [f"# {line}" for line in comment.splitlines()]
    body = _table("", board.model_dump(mode="json"))
    return "\n".join([*head, *body]) + "\n"


def _table(name: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Plain values and values with a source in line, everything else in sections."""
    sections = {k: v for k, v in content.items() if isinstance(v, dict) and "source" not in v}
    sections |= {k: v for k, v in content.items() if k == "array"}
    if name:
        yield f"\n[{name}]"
    for key, value in content.items():
        if key not in sections and value is not None:
            yield f"{key} = {_value(value)}"
    for key, value in sections.items():
        yield from _table(f"{name}.{key}" if name else key, value)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(value)  # numbers, booleans and strings are written alike
