"""Errors that name the bad value and the good ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NETWORK = "(network)"  # in place of a layer: it is about all of it


class UnsupportedNetworkError(ValueError):
    """The network holds a layer that cannot grow; names the layer and the reason."""

    def __init__(self, layer: str, reason: str) -> None:
        what = "the network" if layer == NETWORK else f"layer '{layer}'"
        super().__init__(f"{what} cannot grow or shrink: {reason}")
        self.layer = layer
        self.reason = reason


class UnreachableTargetError(ValueError):
    """A column with one unit in every layer would cost more than the target."""

    def __init__(self, target: float, least: float) -> None:
        super().__init__(
            f"target_price={target} cannot be reached: with one unit in every layer an "
            f"inference already costs {least:.3g} of the reference's price"
        )


def unknown(kind: str, name: object, known: Iterable[object]) -> str:
    """Message for an unknown name: the nearest match first, then everything there is."""
    names = [str(item) for item in known]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {str(name)!r}{hint} Known: {', '.join(names) or 'none'}"
