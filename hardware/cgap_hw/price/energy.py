"""Energy of every layer, low to high, split by what it is spent on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Chip, Energy
from cgap_hw.chips.values import Range
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values

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
    t: LayerTable, moved: Traffic, array: BaseArray, chip: Chip, bits: int, time_ns: Any
) -> EnergyTable:
    """Energy by part and layer.

    Args:
        t: Layers.
        moved: Their traffic.
        array: Reuse of what is read from the buffers.
        chip: Constants.
        bits: Word width.
        time_ns: Time of each layer.
    """
    return energy_of(activity(Work.of(t), moved, array, bits, time_ns), chip.energy, bits)


@dataclass(frozen=True)
class Work:
    """What is computed: multiply-adds, other operations and output words; a layer or summed."""

    macs: Any
    lane_operations: Any
    pixels_out: Any

    @classmethod
    def of(cls, t: LayerTable) -> Work:
        """That of every layer."""
        return cls(t.macs, t.lane_operations, t.pixels_out)

    def summed(self, counts: Values) -> Work:
        """Sums over layers of which each occurs so often."""
        return Work(self.macs @ counts, self.lane_operations @ counts, self.pixels_out @ counts)


def activity(
    work: Work, moved: Traffic, array: BaseArray, bits: int, time_ns: Any
) -> dict[str, Any]:
    """What costs energy, part -> amount: bytes, activations, ns, bits, operations.

    All of it is linear: the amounts of a network are those of its work, traffic and time
    summed over the layers.
    """
    return {
        "dram_pixels": moved.pixel_bytes,
        "dram_weights": moved.weight_bytes,
        "dram_outputs": moved.output_bytes,
        "dram_activate": moved.runs + moved.total_bytes / DRAM_PAGE_BYTES,
        "dram_background": time_ns,
        "block_ram": on_chip_bits(work, moved, array, bits),
        "mac": work.macs + work.lane_operations,
        "static": time_ns,
    }


def energy_of(amounts: Mapping[str, Any], constants: Energy, bits: int) -> EnergyTable:
    """Energy of amounts as `activity` gives them, each layer's or summed.

    ``E = V_bits e_rw + N_act e_act + P_bg T + N_mac e_mac + access_bits e_bram + P_static T``
    (Micron's method for DRAM). Background and static power count per second, not per bit: a
    shorter latency saves DRAM energy even where the traffic does not fall.
    """
    per_byte = 8 * _three(constants.dram_rw_pj_per_bit)
    pj = {
        "dram_pixels": per_byte,
        "dram_weights": per_byte,
        "dram_outputs": per_byte,
        "dram_activate": _three(constants.dram_activate_pj),
        "dram_background": _three(constants.dram_background_mw),  # 1 mW ns = 1 pJ
        "block_ram": _three(constants.block_ram_pj_per_bit),
        "mac": _three(constants.mac_pj(bits)),
        "static": 1000 * _three(constants.static_w),
    }
    return EnergyTable({part: _mj(pj[part], amounts[part]) for part in PARTS})


def on_chip_bits(work: Work, moved: Traffic, array: BaseArray, bits: int) -> Any:
    """Bits read from and written to the buffers.

    Pixels are read once per ``pixel_reuse`` MACs, weights once per ``weight_reuse``, outputs
    once; every word from DRAM is written once.
    """
    reads = work.macs / array.pixel_reuse + work.macs / array.weight_reuse
    words = reads + work.lane_operations + work.pixels_out
    return words * bits + moved.total_bytes * 8


def _three(value: Range) -> Values:
    return np.array([value.low, value.mid, value.high])


def _mj(constants: Values, amounts: Any) -> Values:
    amounts = np.asarray(amounts)
    spent: Values = constants.reshape(3, *([1] * amounts.ndim)) * amounts * _PJ_TO_MJ
    return spent


def _range(values: Any) -> Range:
    low, mid, high = (float(v) for v in values)
    return Range(low=low, mid=mid, high=high)
