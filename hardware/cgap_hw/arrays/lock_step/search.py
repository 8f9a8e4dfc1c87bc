"""Which tiles a layer is cut into."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cgap_hw.arrays.lock_step.sizes import Machine, Port, Sizes, Tiles, fits
from cgap_hw.arrays.lock_step.steps import timeline
from cgap_hw.numeric import ceil_div

LARGEST = 4  # sizes of each kind that are tried: smaller tiles only add steps


@lru_cache(maxsize=4096)
def best_tiles(s: Sizes, m: Machine, port: Port) -> Tiles | None:
    """The tiles with the shortest latency among those that fit; None if none does."""
    return min(
        _candidates(s, m), key=lambda tiles: timeline(s, tiles, m, port).total, default=None
    )


def _candidates(s: Sizes, m: Machine) -> Iterator[Tiles]:
    """For every number of row tiles, the largest channel tiles that fit; both loop orders."""
    grain = m.pof if s.groups == 1 else 1
    units = _evenly(s.units, grain)
    for rows in _evenly(s.oy, m.poy):
        fitting = [u for u in units if fits(s, Tiles(rows, u), m)][:LARGEST]
        for u in fitting:
            yield Tiles(rows, u, True)
            if rows < s.oy and u < s.units:
                yield Tiles(rows, u, False)


def _evenly(total: int, grain: int) -> list[int]:
    """For every number of tiles the smallest size, in whole grains; the largest first."""
    counts = range(1, ceil_div(total, grain) + 1)
    sizes = {min(total, ceil_div(ceil_div(total, n), grain) * grain) for n in counts}
    return sorted(sizes, reverse=True)
