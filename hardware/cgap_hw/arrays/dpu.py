"""AMD's DPU for Zynq UltraScale+ (DPUCZDX8G): pixels x input x output channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.arrays.pipeline import double_buffered_ns
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Chip, Dram
from cgap_hw.chips.values import within
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div

BLOCKS = "RAMB18"
WORD_BITS = 8  # weights and maps are INT8: the 8 of DPUCZDX8G (AMD UG1414)


class Dpu(BaseArray):
    """PP x ICP x OCP MACs a cycle; B4096 is 8 x 16 x 16 (2 operations each: 4096).

    Weights and maps share one port a core of ``port_gbps`` (the constant that is calibrated per
    board); while a layer computes, the next weights are fetched, and maps that fit stay in the
    on-chip memory between layers. Several cores share the DRAM and take images in turn.
    Depthwise layers run on an engine of its own, ICP channels by half of the pixel lanes (AMD
    PG338: "the parallelism of depthwise convolution is half that of the pixel parallelism").
    One filter a channel and pass: a layer with m filters a channel takes m passes. That is
    inferred; it is what tells the two versions of Inception v2 in the model zoo apart.
    """

    style: Literal["dpu"] = "dpu"
    # Of a release that nobody fitted: rows of others come out 38 % too fast to 21 % too slow.
    error_pct: Annotated[float, within(0, 1000)] = 65.0
    pixels: Lanes = 8
    inputs: Lanes = 16
    outputs: Lanes = 16
    cores: Lanes = 1
    port_gbps: Annotated[float, within(0.05, 2000)] = 8.0
    depthwise_pixels: Lanes = 4

    def refuse_on(self, chip: Chip) -> None:
        """Refuses ports that together ask for more than the DRAM has, and other makers' chips.

        The sizes of a core and its resources are published for Zynq UltraScale+ only.
        """
        kind = chip.resources.block_kind
        if kind != BLOCKS:
            raise CostModelError(
                f"a DPU (DPUCZDX8G) is built of {BLOCKS} blocks, and this board has {kind}"
            )
        asked, there = self.cores * self.port_gbps, chip.dram.bandwidth_gbps.high
        if asked > there:
            raise CostModelError(
                f"array.port_gbps: {self.cores} ports of {self.port_gbps:g} GB/s ask for"
                f" {asked:g}, and the DRAM gives at most {there:g}"
            )

    def refuse_work(self, layers: Sequence[LayerShape], bits: int) -> None:
        """Words beyond 8 bits are refused: the core's multipliers have no others."""
        if bits > WORD_BITS:
            raise CostModelError(f"a DPU (DPUCZDX8G) has words of {WORD_BITS} bits, got {bits}")

    @property
    def n_macs(self) -> int:
        """PP ICP OCP of one core."""
        return self.pixels * self.inputs * self.outputs

    @property
    def grain(self) -> Grain:
        """One row and OCP channels."""
        return Grain(rows=1, channels=self.outputs)

    @property
    def depthwise_grain(self) -> int:
        """ICP."""
        return self.inputs

    @property
    def dimensions(self) -> tuple[int, ...]:
        """PP, ICP, OCP."""
        return (self.pixels, self.inputs, self.outputs)

    def mac_cycles(self, t: LayerTable) -> Values:
        """``Nkx Nky c(Nif, ICP) c(Nof, OCP) c(Nox, PP) Noy``.

        Depthwise, m filters a channel: ``m Nkx Nky c(Nif, ICP) c(Nox, PP / 2) Noy``. Outputs
        of one line (tokens) lie along the pixel lanes, whichever axis they are told on.
        """
        line = t.one_line
        ox, oy = np.where(line, t.ox * t.oy, t.ox), np.where(line, 1.0, t.oy)
        of, depth = t.n_of / t.groups, t.n_if / t.groups
        dense = t.groups * self._depth_passes(t, depth) * ceil_div(of, self.outputs)
        dense = dense * ceil_div(ox, self.pixels)
        thin = of * ceil_div(t.n_if, self.inputs) * ceil_div(ox, self.depthwise_pixels)

        is_thin = (t.groups > 1) & (t.groups == t.n_if)
        cycles: Values = np.where(is_thin, thin, dense) * t.taps * oy
        return cycles

    def _depth_passes(self, t: LayerTable, depth: Values) -> Values:
        """Passes over the input channels; few channels share the lanes with kernel columns.

        That is AMD's channel augmentation: a 7 x 7 kernel on 3 channels fills 21 of 32 lanes
        in two passes a row instead of 3 of 16 in seven.
        """
        plain = ceil_div(depth, self.inputs)
        merged = ceil_div(depth * t.kx, self.inputs) / t.kx
        passes: Values = np.where(depth < self.inputs, np.minimum(plain, merged), plain)
        return passes

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """``max(T_compute, bytes / port) + T_control``."""
        compute = cycles * 1e3 / self.clock_mhz
        transfer = moved.total_bytes / self.port_gbps
        # Maps stay on chip where they fit and weights come a layer ahead: nothing to fill.
        latency = double_buffered_ns(compute, transfer, 0.0, self.layer_overhead_ns)
        return latency, compute, transfer

    def network_ns(self, latency_ns: Values, busy_ns: Values) -> tuple[float, float]:
        """One image on one core; the cores take turns."""
        total = float(latency_ns.sum())
        return total, (total + self.call_overhead_us * 1e3) / self.cores
