"""What every array style says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from cgap_hw.arrays.buffers import Buffers, Grain
from cgap_hw.arrays.pipeline import double_buffered_ns, fill_ns, port_ns
from cgap_hw.arrays.traffic import Traffic, Volumes, least_traffic, transfer_ns
from cgap_hw.chips.chip import Chip, Dram
from cgap_hw.chips.values import within
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div

Lanes = Annotated[int, within(1, 65536)]


class BaseArray(BaseModel):
    """Compute array at one clock, one layer at a time unless the style says otherwise.

    Attributes:
        clock_mhz: Clock of the multipliers.
        source: Where the dimensions and the clock come from.
        shared_port: Reads and writes share one DRAM port; else they overlap.
        layer_overhead_ns: Control between two layers.
        call_overhead_us: Fixed cost of one inference (driver, control registers).
        pool_lanes: Window positions a cycle of the pooling unit.
        add_lanes: Words a cycle of the unit for sums and per-channel passes.
        error_pct: Half-width of the interval around a predicted time; 20 % where nothing was
            calibrated, else the worst error on layers that were not fitted.
        logic_macs: Multipliers built in logic because there are not enough DSP blocks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock_mhz: Annotated[float, within(1, 1500)]
    source: str
    shared_port: bool = True
    layer_overhead_ns: Annotated[float, within(0, 1e8)] = 1000.0
    call_overhead_us: Annotated[float, within(0, 1e6)] = 0.0
    pool_lanes: Lanes = 64
    add_lanes: Lanes = 64
    logic_macs: Annotated[int, within(0, 1e6)] = 0
    error_pct: Annotated[float, within(0, 1000)] = 20.0
    buffers: Buffers = Buffers()

    def refuse_on(self, chip: Chip) -> None:
        """Raises where a chip cannot feed the array, whatever it computes.

        Raises:
            CostModelError: Which part is too small, and what it has.
        """

    def refuse_work(self, layers: Sequence[LayerShape], bits: int) -> None:
        """Raises where the array cannot run a network, whatever the board.

        Args:
            layers: The network.
            bits: Word width.

        Raises:
            CostModelError: Which layer or width, and what there is.
        """

    @property
    def n_macs(self) -> int:
        """Multiply-adds a cycle when every lane is filled."""
        raise TypeError(f"{type(self).__name__} is not an array style")

    @property
    def grain(self) -> Grain:
        """The smallest tile."""
        raise TypeError(f"{type(self).__name__} is not an array style")

    @property
    def depthwise_grain(self) -> int:
        """Channels of a depthwise layer that are worked on together."""
        return 1

    @property
    def pixel_reuse(self) -> Any:
        """MACs per input pixel read from a buffer."""
        return self.grain.channels

    @property
    def weight_reuse(self) -> Any:
        """MACs per weight read from a buffer."""
        return np.maximum(1.0, self.n_macs / self.grain.channels)

    def mac_cycles(self, t: LayerTable) -> Values:
        """Cycles of every layer as if it were a convolution or linear layer."""
        raise TypeError(f"{type(self).__name__} is not an array style")

    def cycles(self, t: LayerTable) -> Values:
        """Compute cycles of every layer, shape (L,)."""
        lanes = np.where(t.is_kind("pool"), self.pool_lanes, self.add_lanes)
        return np.where(t.computes, self.mac_cycles(t), ceil_div(t.lane_operations, lanes))

    def traffic(self, t: LayerTable, chip: Chip, bits: int) -> Traffic:
        """What every layer moves over the DRAM port.

        Raises:
            CostModelError: A layer's smallest tile does not fit into the buffers.
        """
        return least_traffic(self.volumes(t, chip, bits), chip.dram)

    def volumes(self, t: LayerTable, chip: Chip, bits: int) -> Volumes:
        """What the tiles of its layers start from."""
        return Volumes(t, bits, self.buffers.half(chip), self.grain)

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """Latency, computing and transfer times of every layer."""
        transfer, fill = self.moving_ns(moved, dram)
        latency, compute = self.overlapped_ns(cycles, transfer, fill)
        return latency, compute, transfer

    def moving_ns(self, moved: Traffic, dram: Dram) -> tuple[Values, Values]:
        """Times in which the port is held, and in which only it works, at both ends."""
        return port_ns(moved, dram, shared=self.shared_port), fill_ns(moved, dram)

    def overlapped_ns(
        self, cycles: Values, transfer: Values, fill: Values
    ) -> tuple[Values, Values]:
        """Latency and computing time of layers whose transfers overlap with computing."""
        compute = cycles * 1e3 / self.clock_mhz
        return double_buffered_ns(compute, transfer, fill, self.layer_overhead_ns), compute

    def operand_ns(self, moved: Traffic, dram: Dram) -> Values:
        """Time in which pixels, weights and outputs each hold the DRAM port, (3, L)."""
        sizes = (moved.pixel_bytes, moved.weight_bytes, moved.output_bytes)
        return np.stack([transfer_ns(size, 0.0, dram) for size in sizes])

    def network_ns(self, latency_ns: Values, busy_ns: Values) -> tuple[float, float]:
        """Time of one inference, and between two: one engine runs layer after layer.

        Args:
            latency_ns: Of every layer.
            busy_ns: Computing or transfer of every layer, whichever takes longer.
        """
        total = float(latency_ns.sum())
        return total, total + self.call_overhead_us * 1e3

    def dsp_macs(self, bits: int, per_dsp: float) -> Any:
        """DSP blocks for the multipliers; pairs in one block share an input."""
        if per_dsp < 1:
            return ceil_div(self.n_macs, per_dsp)
        channels = self.grain.channels
        return ceil_div(channels, int(per_dsp)) * (self.n_macs // channels)
