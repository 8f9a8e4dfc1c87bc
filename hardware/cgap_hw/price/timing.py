"""From cycles and bytes to the time of every layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Dram
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Indices, Values

# What may be the longest part of a layer's time; `Timing.bound` indexes them.
BOUND_BY = ("compute", "input", "weight", "output", "overhead", "nothing")


@dataclass(frozen=True)
class Timing:
    """Times of every layer in ns; arrays of shape (..., L), but for the network as a whole."""

    cycles: Values
    compute_ns: Values
    memory_ns: Values
    latency_ns: Values
    bound: Indices
    network_ns: float
    interval_ns: float


def time_layers(t: LayerTable, moved: Traffic, array: BaseArray, dram: Dram) -> Timing:
    """Times by the array's own rule, and the longest part: `BOUND_BY`.

    Where that is the DRAM port, the bound is the operand that holds it longest.
    """
    cycles = array.cycles(t)
    latency, compute, memory = array.layer_ns(t, moved, dram, cycles)
    busy = np.maximum(compute, memory)
    overhead = latency - busy

    parts = np.stack(np.broadcast_arrays(compute, memory, overhead))
    operand = 1 + np.argmax(array.operand_ns(moved, dram), axis=0)
    part = np.choose(np.argmax(parts, axis=0), [0 * operand, operand, 0 * operand + 4])
    bound = np.where(latency > 0, part, len(BOUND_BY) - 1)

    network, interval = array.network_ns(latency, busy)
    return Timing(cycles, compute, memory, latency, bound, network, interval)
