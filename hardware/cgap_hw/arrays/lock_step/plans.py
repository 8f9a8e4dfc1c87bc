"""Which tiles a layer is cut into."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cgap_hw.arrays.lock_step.sizes import Machine, Plan, Port, Sizes, fits, up
from cgap_hw.arrays.lock_step.steps import schedule

LARGEST = 4  # sizes of each kind that are tried: smaller tiles only add steps


@lru_cache(maxsize=4096)
def best_plan(s: Sizes, m: Machine, port: Port) -> Plan | None:
    """The tiles with the shortest latency among those that fit; None if none does."""
    return min(
        _candidates(s, m), key=lambda plan: schedule(s, plan, m, port).total, default=None
    )


def _candidates(s: Sizes, m: Machine) -> Iterator[Plan]:
    """For every number of row tiles, the largest channel tiles that fit; both loop orders."""
    grain = m.pof if s.groups == 1 else 1
    units = _evenly(s.units, grain)
    for rows in _evenly(s.oy, m.poy):
        fitting = [u for u in units if fits(s, Plan(rows, u), m)][:LARGEST]
        for u in fitting:
            yield Plan(rows, u, True)
            if rows < s.oy and u < s.units:
                yield Plan(rows, u, False)


def _evenly(total: int, grain: int) -> list[int]:
    """For every number of tiles the smallest size, in whole grains; the largest first."""
    sizes = {
        min(total, up(up(total, n), grain) * grain) for n in range(1, up(total, grain) + 1)
    }
    return sorted(sizes, reverse=True)
