"""The life of a column: what may begin, and what it is to be frozen."""

from __future__ import annotations

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.inheriting import Birth


def check_sprout(column: Block | None, label: int, older: int | None, birth: Birth) -> None:
    """Raise where a column of this label cannot begin, or not so.

    Args:
        column: the block that is learning; None or without a label: none is.
        label: the task label, 0 or more.
        older: the newest block of that label; None: it is new.
        birth: how the column is to begin.

    Raises:
        RuntimeError: a column is learning already.
        ValueError: a negative label, or one that returns and would not begin as its block.
    """
    if column is not None and column.label is not None:
        raise RuntimeError(
            f"the column of task {column.label} is still learning: merge() it, or "
            "discard() it if its training was interrupted"
        )
    if label < 0:
        raise ValueError(f"task labels are 0 or more, not {label}")
    if older is not None and birth.ancestor != older:
        raise ValueError(
            f"task {label} was learned before, so its column begins as its block: "
            f"Birth(ancestor={older}), not {birth}"
        )


def of_a_task(column: Block | None, what: str) -> Block:
    """The column that learns a task.

    Args:
        column: the block that is learning, or None.
        what: what was to be done with it.

    Raises:
        RuntimeError: there is none, or only the seed column.
    """
    if column is None or column.label is None:
        raise RuntimeError(f"there is no column to {what}")
    return column


def freeze(column: Block) -> None:
    """Nothing in a block learns any more: no weight, no statistics."""
    for parameter in column.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    column.eval()
