"""The three stages of a flat array: read lines, multiply, write; and what each waits for.

Sizes marked "source" are those of the accelerator's Verilog, published later
(``wkid-neu/GHP-FPGA-CNN``): the queue of lines and the weight memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Flags, Indices, Values

TICK_NS = 4.0
LINE_PIXELS = 16  # 64 bytes: 16 pixels of four channels, read in one tick
WINDOW_LINES = 63  # lines of windows that wait in front of the cells (64, one always free)
# Lines that may be read before they are used: reading stops when 256 wait (source:
# XBUS_CACHE_FULL), and 18 more are under way then (11 stages of memory and 7 registers).
READ_AHEAD_LINES = 256 + 18
DRAM_BYTES_PER_NS = 16.0  # 512 bits a tick; the linear layers run at exactly that
DRAM_WAIT_NS = 200.0  # from the start of a layer to its first weights (assumed)


class Window(NamedTuple):
    """What decides the lines of a layer: its maps, span, stride and padding.

    The span of a window is what its kernel covers, dilation included.
    """

    ix: int
    iy: int
    ox: int
    oy: int
    span_x: int
    span_y: int
    sx: int
    sy: int
    pad_x: int
    pad_y: int

    @classmethod
    def of(cls, t: LayerTable, i: int) -> Window:
        """That of layer i."""
        return cls(*(int(getattr(t, name)[i]) for name in cls._fields))


@lru_cache(maxsize=4096)
def window_lines(w: Window, p: int) -> Values:
    """Lines of the input map between the first and the last pixel that each tile reads.

    Args:
        w: The layer's window.
        p: Output pixels of a tile.

    Returns:
        One number a tile, over the pixels in row order.
    """
    first = np.arange(0, w.ox * w.oy, p)
    last = np.minimum(first + p, w.ox * w.oy) - 1
    row0, row1 = first // w.ox, last // w.ox
    several = row1 > row0

    def pixel(row: Indices, column: Indices, end: int) -> Values:
        """Position of the first (end 0) or last (end 1) input pixel under an output pixel."""
        y = np.clip(row * w.sy - w.pad_y + end * (w.span_y - 1), 0, w.iy - 1)
        x = np.clip(column * w.sx - w.pad_x + end * (w.span_x - 1), 0, w.ix - 1)
        return np.asarray(y * w.ix + x)

    # A tile that goes on in the next row begins there further to the left, and may reach
    # further to the right in the row before its last.
    start, stop = pixel(row0, first % w.ox, 0), pixel(row1, last % w.ox, 1)
    start = np.where(several, np.minimum(start, pixel(row0 + 1, 0 * first, 0)), start)
    stop = np.where(several, np.maximum(stop, pixel(row1 - 1, 0 * last + w.ox - 1, 1)), stop)
    return (stop // LINE_PIXELS - start // LINE_PIXELS + 1).astype(np.float64)


class StageTimes:
    """Times of the three stages for the tiles of one layer, one number a tile of every pass."""

    def __init__(
        self,
        lines: Values,
        passes: int,
        depth: int,
        element_ns: float,
        tile: float,
        read: float,
    ) -> None:
        self.a_pass = len(lines)
        self.lines = np.tile(lines, passes)
        self.depth = depth
        self.first_read = TICK_NS * self.lines
        self.read = self.first_read * depth + read
        self.last_multiply = element_ns + tile
        self.multiply = np.full(len(self.lines), element_ns * depth + tile)

    def write(self, write_ns: float) -> Values:
        """Writing time of every tile, with the wait for windows that did not fit."""
        # Only where writing is the slowest stage do windows pile up in front of the cells.
        both = self.lines + np.roll(self.lines, -1)
        wait = TICK_NS * np.maximum(0.0, both - WINDOW_LINES)
        bound = (write_ns > self.read) & (write_ns > self.multiply) & (self.depth == 1)
        return np.where(bound, write_ns + wait, write_ns)


def flow_shop(
    tiles: StageTimes, write_ns: float, element_bytes: float = 0.0
) -> tuple[float, tuple[float, float, float]]:
    """Time until the last result is written, and the sums of the three stages, in ns.

    The longest path: reads up to some element, multiplications from there up to some tile,
    writes from there on (Johnson's makespan; elements of a tile take equally long, so only the
    first and the last of each can be the turning point).

    Args:
        tiles: Times of the stages.
        write_ns: Of a tile.
        element_bytes: Weights of an element that come from the DRAM while the layer runs; 0
            where they lie on chip.
    """
    write = tiles.write(write_ns)
    reads, multiplies, writes = (np.cumsum(x) for x in (tiles.read, tiles.multiply, write))

    before = multiplies - tiles.multiply
    turn_first = reads - tiles.read + tiles.first_read - before
    turn_last = reads - multiplies + tiles.last_multiply
    turn = np.maximum(turn_first, turn_last)
    if element_bytes:
        turn = np.maximum(turn, _weights_come(tiles, before, element_bytes))
    multiplied = multiplies + np.maximum.accumulate(turn) + queue_waits(tiles)

    end = float(np.max(multiplied + writes[-1] - (writes - write)))
    return end, (float(reads[-1]), float(multiplies[-1]), float(writes[-1]))


def _weights_come(tiles: StageTimes, before: Values, element_bytes: float) -> Values:
    """Turning points where multiplying waits for the first or the last weights of a pass.

    The first tile of a pass needs each weight as it comes; the others find them on chip.
    """
    element_ns = element_bytes / DRAM_BYTES_PER_NS
    first = np.arange(0, len(before), tiles.a_pass)
    begun = DRAM_WAIT_NS + element_ns * tiles.depth * np.arange(len(first))

    turn = np.full(len(before), -np.inf)
    turn_first = begun + element_ns - before[first]
    done = before[first] + tiles.multiply[first] - tiles.last_multiply
    turn[first] = np.maximum(turn_first, begun + element_ns * tiles.depth - done)
    return turn


def queue_waits(tiles: StageTimes) -> Values:
    """How much later than with an endless queue of lines each tile is multiplied, in ns.

    Reading runs ahead while cells multiply slowly, and lives on that lead where they are
    faster; the lead is at most `READ_AHEAD_LINES`.
    """
    gains = tiles.multiply - tiles.read
    most = READ_AHEAD_LINES * TICK_NS
    used = np.cumsum(-gains)
    longest = float((used - np.minimum.accumulate(np.append(0.0, used[:-1]))).max())
    if longest <= most or gains.max() <= 0:
        return np.zeros(len(gains))

    waits, late, lead, endless = np.empty(len(gains)), 0.0, 0.0, 0.0
    for i, gain in enumerate(gains.tolist()):
        lead, endless = lead + gain, endless + gain
        late += max(0.0, -lead) - max(0.0, -endless)
        lead, endless = min(max(lead, 0.0), most), max(endless, 0.0)
        waits[i] = late
    return waits


def streamed(words: Values, room: float) -> Flags:
    """Which layers' weights do not stay on chip, by the rule of the source's compiler.

    All stay if they fit together. Else the largest first, each if beside it and those that
    stay there is room for the largest of the rest, which is streamed through what is left.
    """
    away = words > 0
    if words.sum() < room:
        return np.zeros(len(words), dtype=np.bool_)

    kept = 0.0
    for place, i in enumerate(np.argsort(-words, kind="stable")):
        rest = np.sort(words[away])[::-1]
        # The compiler leaves a layer out of the rest only where it is the very first.
        largest = rest[1 if place == 0 and len(rest) > 1 else 0] if len(rest) else 0.0
        if words[i] and kept + words[i] + largest <= room:
            kept += words[i]
            away[i] = False
    return away
