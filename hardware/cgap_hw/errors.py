"""Errors of the cost model: the bad value, and what would have been good."""

from collections.abc import Iterable
from difflib import get_close_matches


class CostModelError(ValueError):
    """Something cannot be priced as described; the message is one clear line."""


class UnknownNameError(CostModelError):
    """A name that is not among the known ones.

    Args:
        kind: What was looked for, for instance ``"board"``.
        name: The name that was asked for.
        known: All names that would have been accepted.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name.lower(), names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")
