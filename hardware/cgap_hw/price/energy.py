"""Energy of every layer, low to high, split by what it is spent on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.memory import Traffic
from cgap_hw.boards.board import Board
from cgap_hw.chips.values import Range
from cgap_hw.layers.table import LayerTable

Values = npt.NDArray[np.float64]
BOUNDS = ("low", "mid", "high")
PARTS = (
    "dram_pixels",
    "dram_weights",
    "dram_outputs",
    "dram_activate",
    "dram_background",
    "block_ram",
    "mac",
    "static",
)
DRAM_PAGE_BYTES = 8192  # one row of eight x8 chips
_PJ_TO_MJ = 1e-9


@dataclass(frozen=True)
class EnergyTable:
    """Millijoules: part -> array of shape (3, ..., L), the first axis low, middle, high."""

    parts: Mapping[str, Values]

    def total(self) -> Range:
        """Everything."""
        return _range(sum(self.sums()[part] for part in PARTS))

    def sums(self) -> dict[str, Any]:
        """Part -> three sums over the layers."""
        return {part: values.sum(axis=-1) for part, values in self.parts.items()}

    def split(self) -> dict[str, Range]:
        """Part -> low, middle and high over the layers."""
        return {part: _range(values) for part, values in self.sums().items()}

    def per_layer(self) -> Values:
        """Shape (3, ..., L)."""
        total: Values = sum(self.parts.values(), start=np.zeros(()))
        return total


def energy_table(
    t: LayerTable, moved: Traffic, array: BaseArray, board: Board, run: tuple[int, Any]
) -> EnergyTable:
    """Energy by part and layer.

    ``E = V_bits e_rw + N_act e_act + P_bg T + N_mac e_mac + access_bits e_bram + P_static T``
    (Micron's method for DRAM). Background and static power count per second, not per bit: a
    shorter latency saves DRAM energy even where the traffic does not fall.

    Args:
        t: Layers.
        moved: Their traffic.
        array: Reuse of what is read from the buffers.
        board: Constants.
        run: Word width in bits, and the time of each layer in ns.
    """
    bits, time_ns = run
    e = board.energy
    page_hits = moved.total_bytes / DRAM_PAGE_BYTES
    per_bit = 8 * _three(e.dram_rw_pj_per_bit)
    watt_ns = _three(e.dram_background_mw)  # 1 mW ns = 1 pJ
    return EnergyTable(
        {
            "dram_pixels": _mj(per_bit, moved.pixel_bytes),
            "dram_weights": _mj(per_bit, moved.weight_bytes),
            "dram_outputs": _mj(per_bit, moved.output_bytes),
            "dram_activate": _mj(_three(e.dram_activate_pj), moved.runs + page_hits),
            "dram_background": _mj(watt_ns, time_ns),
            "block_ram": _mj(
                _three(e.block_ram_pj_per_bit), on_chip_bits(t, moved, array, bits)
            ),
            "mac": _mj(_three(e.mac_pj(bits)), t.macs + t.lane_operations),
            "static": _mj(1000 * _three(e.static_w), time_ns),
        }
    )


def on_chip_bits(t: LayerTable, moved: Traffic, array: BaseArray, bits: int) -> Any:
    """Bits read from and written to the buffers.

    Pixels are read once per ``pixel_reuse`` MACs, weights once per ``weight_reuse``, outputs
    once; every word from DRAM is written once.
    """
    reads = t.macs / array.pixel_reuse + t.macs / array.weight_reuse + t.lane_operations
    return (reads + t.pixels_out) * bits + moved.total_bytes * 8


def _three(value: Range) -> Values:
    return np.array([value.low, value.mid, value.high])


def _mj(constants: Values, amounts: Any) -> Values:
    amounts = np.asarray(amounts)
    spent: Values = constants.reshape(3, *([1] * amounts.ndim)) * amounts * _PJ_TO_MJ
    return spent


def _range(values: Any) -> Range:
    low, mid, high = (float(v) for v in values)
    return Range(low=low, mid=mid, high=high)
