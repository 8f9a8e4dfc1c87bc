"""Output channels x flattened pixels: the accelerators of Chen and Wu (FPGA 2023).

Their source is not public. What follows was read off 856 layer latencies that they publish
(``wkid-neu/cnn_accel``), all multiples of a 4 ns tick;
`cgap_hw.evidence.validate` states its error.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Dram
from cgap_hw.chips.values import within
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Indices, Values, ceil_div

TICK_NS = 4.0
MAC_NS = 2.5  # a cell makes 0.4 multiply-adds a nanosecond (the source's own scripts)
LINE_PIXELS = 16  # 64 bytes: 16 pixels of four channels, read in one tick
DEPTH = 4  # input channels that are processed together
WINDOW_LINES = 63  # lines of windows that wait in front of the cells (64, one always free)


class Window(NamedTuple):
    """What decides the lines of a layer: its maps, kernel, stride and padding."""

    ix: int
    iy: int
    ox: int
    oy: int
    kx: int
    ky: int
    sx: int
    sy: int
    pad_x: int
    pad_y: int

    @classmethod
    def of(cls, t: LayerTable, i: int) -> Window:
        """That of layer i."""
        return cls(*(int(getattr(t, name)[i]) for name in cls._fields))


FixedCost = Annotated[float, within(0, 1e6)]


class FlatConstants(BaseModel):
    """What is fitted: fixed costs in ns, of a layer (with the array's size) and of a tile.

    A layer costs ``conv_base + conv_per_m M + conv_per_p P`` beside its tiles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile_ns: FixedCost = 10.0
    read_tile_ns: FixedCost = 4.0
    conv_base_ns: FixedCost = 340.0
    conv_per_m_ns: FixedCost = 2.5
    conv_per_p_ns: FixedCost = 6.5
    pool_base_ns: FixedCost = 212.0
    pool_per_p_ns: FixedCost = 4.1
    linear_base_ns: FixedCost = 393.3333
    linear_per_output_ns: FixedCost = 0.1627604
    add_base_ns: FixedCost = 100.0


class FlatArray(BaseArray):
    """M x P cells: M output channels of P pixels, counted over rows (im2col).

    A tile is one group of M output channels and P pixels; an element of it is four input
    channels. Three stages work on the elements in turn, each as soon as it may:

    1. the lines (64 bytes) under the tile's windows are read, one a tick;
    2. the cells multiply: ``Nkx Nky * 4 * 2.5 ns``, and a fixed cost a tile;
    3. the results are written: one tick a channel.

    The time of a layer is the longest path through this three-machine flow shop, plus a fixed
    cost. Where writing is the slowest, windows that do not fit into the read queue together
    with the window before them are waited for.
    """

    style: Literal["flat"] = "flat"
    m: Lanes
    p: Lanes
    constants: FlatConstants = FlatConstants()

    @property
    def n_macs(self) -> int:
        """Cells; the clock of the published designs makes each of them a MAC every 2.5 ns."""
        return self.m * self.p

    @property
    def grain(self) -> Grain:
        """One row and M channels."""
        return Grain(rows=1, channels=self.m)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """M, P."""
        return (self.m, self.p)

    def mac_cycles(self, t: LayerTable) -> Values:
        """``c(Nof, M) c(Nox Noy, P) 4 c(Nif, 4) Nkx Nky``."""
        groups_of = t.groups * ceil_div(t.n_of / t.groups, self.m)
        depth = DEPTH * ceil_div(t.n_if / t.groups, DEPTH)
        cycles: Values = groups_of * ceil_div(t.ox * t.oy, self.p) * depth * t.taps
        return cycles

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """Latency, multiplying and reading-or-writing time of every layer; ``t`` is (L,)."""
        rows = [self._one_ns(t, i) for i in range(len(t))]
        latency, compute, transfer = np.array(rows).T
        return latency, compute, transfer

    def _one_ns(self, t: LayerTable, i: int) -> tuple[float, float, float]:
        if t.is_kind("conv", "matmul")[i]:
            return self._conv_ns(t, i)
        if t.is_kind("pool")[i]:
            return self._pool_ns(t, i)

        c, n_of, pixels = self.constants, float(t.n_of[i]), float(t.ox[i] * t.oy[i])
        if t.is_kind("linear")[i]:
            stream = float(t.n_if[i]) * n_of * pixels / 16
            return (
                stream + c.linear_base_ns + c.linear_per_output_ns * n_of,
                float(t.macs[i]) / self.n_macs * MAC_NS,
                stream,
            )
        if t.is_kind("concat")[i]:
            return 0.0, 0.0, 0.0

        work = n_of * 32 * ceil_div(pixels, 32) / 16 * max(1.0, float(t.n_inputs[i]) - 1)
        return work + c.add_base_ns, work, work

    def _conv_ns(self, t: LayerTable, i: int) -> tuple[float, float, float]:
        c, groups = self.constants, int(t.groups[i])
        passes = groups * int(ceil_div(t.n_of[i] / groups, self.m))
        depth = int(ceil_div(t.n_if[i] / groups, DEPTH))
        lines = window_lines(Window.of(t, i), self.p)
        element = float(t.taps[i]) * DEPTH * MAC_NS

        tiles = StageTimes(lines, passes, depth, element, c.tile_ns, c.read_tile_ns)
        time, sums = flow_shop(tiles, TICK_NS * self.m)
        fixed = c.conv_base_ns + c.conv_per_m_ns * self.m + c.conv_per_p_ns * self.p
        return time + fixed, sums[1], max(sums[0], sums[2])

    def _pool_ns(self, t: LayerTable, i: int) -> tuple[float, float, float]:
        """Four channels a group; a tile takes the longer of reading and comparing."""
        c, n_of = self.constants, float(t.n_of[i])
        if t.ox[i] * t.oy[i] == 1:  # global: one word after the other
            work = n_of * float(t.taps[i]) + 256 + 4 * self.p
            return work, work, 0.0

        lines = window_lines(Window.of(t, i), self.p)
        compare = TICK_NS * float(t.taps[i])
        groups = float(ceil_div(n_of, DEPTH))
        time = groups * float(np.maximum(TICK_NS * lines, compare).sum())
        fixed = c.pool_base_ns + c.pool_per_p_ns * self.p
        return (
            time + fixed,
            groups * compare * len(lines),
            groups * TICK_NS * float(lines.sum()),
        )


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
        y = np.clip(row * w.sy - w.pad_y + end * (w.ky - 1), 0, w.iy - 1)
        x = np.clip(column * w.sx - w.pad_x + end * (w.kx - 1), 0, w.ix - 1)
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


def flow_shop(tiles: StageTimes, write_ns: float) -> tuple[float, tuple[float, float, float]]:
    """Time until the last result is written, and the sums of the three stages, in ns.

    The longest path: reads up to some element, multiplications from there up to some tile,
    writes from there on (Johnson's makespan; elements of a tile take equally long, so only the
    first and the last of each can be the turning point).
    """
    write = tiles.write(write_ns)
    reads, multiplies, writes = (np.cumsum(x) for x in (tiles.read, tiles.multiply, write))

    before = multiplies - tiles.multiply
    turn_first = reads - tiles.read + tiles.first_read - before
    turn_last = reads - multiplies + tiles.last_multiply
    multiplied = multiplies + np.maximum.accumulate(np.maximum(turn_first, turn_last))

    end = float(np.max(multiplied + writes[-1] - (writes - write)))
    return end, (float(reads[-1]), float(multiplies[-1]), float(writes[-1]))
