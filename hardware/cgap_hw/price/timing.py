"""From cycles and bytes to the time of every layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.memory import Traffic
from cgap_hw.boards.board import Board
from cgap_hw.layers.table import LayerTable

Values = npt.NDArray[np.float64]
BOUNDS = ("compute", "input", "weight", "output", "overhead", "nothing")


@dataclass(frozen=True)
class Timing:
    """Times of every layer in ns; arrays of shape (..., L), but for the network as a whole."""

    cycles: Values
    compute_ns: Values
    memory_ns: Values
    latency_ns: Values
    bound: npt.NDArray[np.int64]
    network_ns: float
    interval_ns: float


def time_layers(t: LayerTable, moved: Traffic, array: BaseArray, board: Board) -> Timing:
    """Times by the array's own rule, and the longest part: `BOUNDS`.

    Where that is the memory port, the bound is the operand that holds it longest.
    """
    cycles = array.cycles(t)
    latency, compute, memory = array.layer_ns(t, moved, board.memory, cycles)
    overhead = latency - np.maximum(compute, memory)
    parts = np.stack(np.broadcast_arrays(compute, memory, overhead))
    operand = 1 + np.argmax(array.operand_ns(moved, board.memory), axis=0)
    part = np.choose(np.argmax(parts, axis=0), [0 * operand, operand, 0 * operand + 4])
    bound = np.where(latency > 0, part, len(BOUNDS) - 1)
    network, interval = array.network_ns(latency)
    return Timing(cycles, compute, memory, latency, bound, network, interval)
