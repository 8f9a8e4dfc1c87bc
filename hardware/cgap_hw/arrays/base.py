"""What every array style says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from cgap_hw.arrays.memory import Traffic, plan_traffic, transfer_ns
from cgap_hw.arrays.pipeline import tiled_layer_ns
from cgap_hw.layers.table import LayerTable, ceil_div

if TYPE_CHECKING:
    from cgap_hw.boards.board import Board, Memory

Values = npt.NDArray[np.float64]


class Buffers(BaseModel):
    """Shares of the usable on-chip memory; each is a pair of halves (ping-pong).

    The shares follow Ma et al.'s VGG-16 design, where pixels take 8.18 and weights 9.44 of
    17.6 Mbit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_ratio: float = Field(default=0.35, gt=0, lt=1)
    weight_ratio: float = Field(default=0.45, gt=0, lt=1)
    output_ratio: float = Field(default=0.2, gt=0, lt=1)
    usable_ratio: float = Field(default=0.8, gt=0, le=1)


@dataclass(frozen=True)
class Grain:
    """The smallest tile: rows of output pixels, output channels and accumulator width."""

    rows: Any
    channels: Any


class BaseArray(BaseModel):
    """Compute array at one clock, one layer at a time unless the style says otherwise.

    Attributes:
        clock_mhz: Clock of the multipliers.
        source: Where the dimensions and the clock come from.
        shared_port: Reads and writes share one memory port; else they overlap.
        layer_overhead_ns: Control between two layers.
        call_overhead_us: Fixed cost of one inference (driver, control registers).
        pool_lanes: Window positions a cycle of the pooling unit.
        add_lanes: Words a cycle of the unit for sums and per-channel passes.
        error_pct: Half-width of the interval around a predicted time; 20 % where nothing was
            calibrated, else the worst error on layers that were not fitted.
        logic_macs: Multipliers built in logic because there are not enough DSP blocks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock_mhz: float = Field(gt=0)
    source: str
    shared_port: bool = True
    layer_overhead_ns: float = Field(default=1000.0, ge=0)
    call_overhead_us: float = Field(default=0.0, ge=0)
    pool_lanes: int = Field(default=64, ge=1)
    add_lanes: int = Field(default=64, ge=1)
    logic_macs: int = Field(default=0, ge=0)
    error_pct: float = Field(default=20.0, ge=0)
    buffers: Buffers = Buffers()

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
    def pixel_reuse(self) -> float:
        """MACs per input pixel read from a buffer."""
        return float(self.grain.channels)

    @property
    def weight_reuse(self) -> float:
        """MACs per weight read from a buffer."""
        return max(1.0, self.n_macs / float(self.grain.channels))

    def mac_cycles(self, t: LayerTable) -> Values:
        """Cycles of every layer as if it were a convolution or linear layer."""
        raise TypeError(f"{type(self).__name__} is not an array style")

    def cycles(self, t: LayerTable) -> Values:
        """Compute cycles of every layer, shape (L,)."""
        lanes = np.where(t.is_kind("pool"), self.pool_lanes, self.add_lanes)
        return np.where(t.computes, self.mac_cycles(t), ceil_div(t.lane_operations, lanes))

    def traffic(
        self, t: LayerTable, board: Board, bits: int, by_energy: bool = False
    ) -> Traffic:
        """What every layer moves over the DRAM port."""
        return plan_traffic(t, board, self, bits, by_energy=by_energy)

    def layer_ns(
        self, t: LayerTable, moved: Traffic, memory: Memory, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """Latency, computing and transfer times of every layer."""
        return tiled_layer_ns(self, moved, memory, cycles)

    def operand_ns(self, moved: Traffic, memory: Memory) -> Values:
        """Time in which pixels, weights and outputs each hold the memory port, (3, L)."""
        sizes = (moved.pixel_bytes, moved.weight_bytes, moved.output_bytes)
        return np.stack([transfer_ns(size, 0.0, memory) for size in sizes])

    def network_ns(self, latency_ns: Values) -> tuple[float, float]:
        """Time of one inference, and between two: one engine runs layer after layer."""
        total = float(latency_ns.sum())
        return total, total + self.call_overhead_us * 1e3

    def dsp_macs(self, bits: int, per_dsp: float) -> int:
        """DSP blocks for the multipliers; pairs in one block share an input."""
        pairs = int(per_dsp) if per_dsp >= 1 else 1
        blocks = ceil_div(int(self.grain.channels), pairs) * (
            self.n_macs // int(self.grain.channels)
        )
        return int(blocks if per_dsp >= 1 else self.n_macs / per_dsp)
