"""Cycles in which the port brings pixels or weights, or takes results away."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cgap_hw.arrays.lock_step.sizes import Machine, Port, Sizes
from cgap_hw.numeric import ceil_div

# Registers between port and buffers.
WEIGHT_CYCLES, STORE_CYCLES = 1, 3
SKIP_ALL_CYCLES, SORT_CYCLES = 1, 1
ROUNDING = 1e-6  # far below the 1/256 byte a cycle in which bandwidths differ


def whole(cycles: float) -> int:
    """Rounded up; parts of a cycle add up while the bus is busy."""
    return math.ceil(cycles - ROUNDING)


def beat(words: int, m: Machine, port: Port) -> float:
    """Cycles that a beat holds the bus, at least one; none without words."""
    return max(1.0, words * m.word_bytes / port.bytes_per_cycle) if words else 0.0


def row(width: int, m: Machine, port: Port) -> float:
    """Cycles of a row of a map: beats of Pox, the last partly filled."""
    return width // m.pox * beat(m.pox, m, port) + beat(width % m.pox, m, port)


@dataclass(frozen=True)
class RowTile:
    """Output rows of a tile, and the input rows under them: above, in and below the map."""

    rows: int
    above: int
    inside: int
    below: int

    @classmethod
    def of(cls, s: Sizes, first: int, rows: int) -> RowTile:
        """The tile that begins with output row ``first``."""
        start = first * s.sy - s.pad_y
        span = (rows - 1) * s.sy + s.ky
        above = min(span, max(0, -start))
        inside = max(0, min(start + span, s.iy) - max(start, 0))
        return cls(rows, above, inside, span - above - inside)


def pixel_cycles(s: Sizes, tile: RowTile, channels: int, m: Machine, port: Port) -> float:
    """Cycles to bring the input rows of a tile.

    The bus brings beats of Pox pixels. Behind it they are sorted by column phase: ``sx``
    beats, or the rest of the row, are gathered and leave in ``sx`` cycles. Whichever is slower
    decides. Rows outside the map are skipped, a cycle each, while the bus is still busy with
    the last beat or the sorter with the last pixels.

    Args:
        s: The layer.
        tile: Its rows.
        channels: Input channels.
        m: The array.
        port: The DRAM port.
    """
    inside, skipped = tile.inside, tile.above + tile.below
    if not inside:
        return channels * skipped + SKIP_ALL_CYCLES
    beats = ceil_div(s.ix, m.pox)
    gathered = min(beats, s.sx)  # beats before the first pixels leave the sorter
    busy = inside * row(s.ix, m, port)
    last = math.floor(busy - beat(s.ix % m.pox or m.pox, m, port) + ROUNDING)  # beat's cycle
    bus = (channels - 1) * max(busy, last + 1 + skipped) + busy
    sorts = channels * inside * ceil_div(beats, s.sx) - 1
    wait = (channels - 1) * max(0, gathered + skipped - s.sx)
    sorting = row(min(s.ix, gathered * m.pox), m, port) + sorts * s.sx + wait
    end = tile.above + whole(max(bus, sorting)) + max(s.sx, tile.below)
    return port.latency_cycles + end + SORT_CYCLES


def weight_cycles(s: Sizes, units: int, m: Machine, port: Port) -> float:
    """Cycles to bring the weights: beats of Pof, the last of a group partly filled."""
    groups = 1 if s.groups == 1 else units
    left = s.channels_out(units) // groups % m.pof
    full = s.blocks(units, m.pof) - (groups if left else 0)
    beats = full * beat(m.pof, m, port) + groups * beat(left, m, port)
    return whole(s.depth * beats) + port.latency_cycles + WEIGHT_CYCLES


def store_cycles(s: Sizes, units: int, rows: int, m: Machine, port: Port) -> float:
    """Cycles to take the results of some output rows away."""
    beats = s.channels_out(units) * rows * row(s.ox, m, port)
    return whole(beats) + port.latency_cycles + STORE_CYCLES
