"""Output channels x flattened pixels: the accelerators of Chen and Wu (FPGA 2023).

What follows was read off 856 layer latencies that they publish (``wkid-neu/cnn_accel``), all
multiples of a 4 ns tick; `cgap_hw.evidence.validate` states its error. Queue and weight memory
are those of a later version's Verilog and compiler: see `cgap_hw.arrays.flat_stages`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.arrays.flat_stages import (
    DRAM_BYTES_PER_NS,
    TICK_NS,
    StageTimes,
    Window,
    flow_shop,
    streamed,
    window_lines,
)
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Chip, Dram
from cgap_hw.chips.values import within
from cgap_hw.errors import CostModelError
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div

CLOCK_MHZ = 400.0  # of all four measured arrays; no other clock was
MAC_NS = 2.5  # a cell makes 0.4 multiply-adds a nanosecond (the source's own scripts)
DEPTH = 4  # input channels that are processed together
# The source's memory holds 20 rows of 4096 entries of UltraRAM (20 MiB); the published layers
# of ResNet-34, 21.27 M words, show no stream, so these arrays had at least a row more.
WEIGHT_WORDS = 21 * 2**20

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
    cost. Reading runs ahead by as many lines as the queue holds. Where writing is the slowest,
    windows that do not fit into the read queue together with the window before them are waited
    for. Weights of a network that do not all stay in ``weight_words`` of memory are streamed
    from the DRAM while their layer runs, at the speed at which the linear layers run.
    """

    style: Literal["flat"] = "flat"
    m: Lanes
    p: Lanes
    constants: FlatConstants = FlatConstants()
    weight_words: Annotated[int, within(0, 2**40)] = WEIGHT_WORDS

    def refuse_on(self, chip: Chip) -> None:
        """Refuses other clocks than the measured one, and a DRAM slower than the linear layers.

        Every time was read in ns off arrays of one clock: which of ticks, fixed costs and waits
        follow the clock is not known, so none is scaled.
        """
        if self.clock_mhz != CLOCK_MHZ:
            raise CostModelError(
                f"array.clock_mhz: flat arrays were measured at {CLOCK_MHZ:g} MHz only, got"
                f" {self.clock_mhz:g}"
            )
        there = chip.dram.bandwidth_gbps.mid
        if there < DRAM_BYTES_PER_NS:
            raise CostModelError(
                f"flat arrays read weights at {DRAM_BYTES_PER_NS:g} GB/s, and the DRAM of this"
                f" board gives {there:g}"
            )

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
        away = streamed(self._stored_words(t), self.weight_words)
        rows = [self._one_ns(t, i, streamed=bool(away[i])) for i in range(len(t))]
        latency, compute, transfer = np.array(rows).T
        return latency, compute, transfer

    def _stored_words(self, t: LayerTable) -> Values:
        """Weights of convolutions as they lie in the memory: whole groups of M and of four."""
        groups_of = t.groups * ceil_div(t.n_of / t.groups, self.m) * self.m
        words = groups_of * DEPTH * ceil_div(t.n_if / t.groups, DEPTH) * t.taps
        return np.where(t.is_kind("conv"), words, 0.0)

    def _one_ns(self, t: LayerTable, i: int, *, streamed: bool) -> tuple[float, float, float]:
        if t.is_kind("conv", "matmul")[i]:
            return self._conv_ns(t, i, streamed=streamed)
        if t.is_kind("pool")[i]:
            return self._pool_ns(t, i)

        c, n_of, pixels = self.constants, float(t.n_of[i]), float(t.ox[i] * t.oy[i])
        if t.is_kind("linear")[i]:
            stream = float(t.n_if[i]) * n_of * pixels / DRAM_BYTES_PER_NS
            return (
                stream + c.linear_base_ns + c.linear_per_output_ns * n_of,
                float(t.macs[i]) / self.n_macs * MAC_NS,
                stream,
            )
        if t.is_kind("concat")[i]:
            return 0.0, 0.0, 0.0

        work = n_of * 32 * ceil_div(pixels, 32) / 16 * max(1.0, float(t.n_inputs[i]) - 1)
        return work + c.add_base_ns, work, work

    def _conv_ns(self, t: LayerTable, i: int, *, streamed: bool) -> tuple[float, float, float]:
        c, groups = self.constants, int(t.groups[i])
        passes = groups * int(ceil_div(t.n_of[i] / groups, self.m))
        depth = int(ceil_div(t.n_if[i] / groups, DEPTH))
        lines = window_lines(Window.of(t, i), self.p)
        element = float(t.taps[i]) * DEPTH * MAC_NS

        tiles = StageTimes(lines, passes, depth, element, c.tile_ns, c.read_tile_ns)
        weights = float(t.taps[i]) * DEPTH * self.m if streamed else 0.0
        time, sums = flow_shop(tiles, TICK_NS * self.m, weights)
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
