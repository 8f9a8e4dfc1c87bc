"""The time of a layer whose tiles are double-buffered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cgap_hw.arrays.memory import Traffic, transfer_ns

if TYPE_CHECKING:
    from cgap_hw.arrays.base import BaseArray
    from cgap_hw.boards.board import Memory

Values = npt.NDArray[np.float64]


def tiled_layer_ns(
    array: BaseArray, moved: Traffic, memory: Memory, cycles: Values
) -> tuple[Values, Values, Values]:
    """Latency, computing and transfer times of layers whose tiles are double-buffered.

    ``T = max(T_compute, T_transfer) + T_fill + T_control``: the first tile must arrive before
    anything starts and the last must leave after it ends. Reads and writes share a port and
    add up, or have one each and overlap.
    """
    compute = cycles * 1e3 / array.clock_mhz
    transfer = port_ns(array, moved, memory)
    fill = transfer_ns(moved.fill_bytes, 0.0, memory)
    busy = np.maximum(compute, transfer)
    control = np.where(busy > 0, array.layer_overhead_ns, 0.0)
    return busy + fill + control, compute, transfer


def port_ns(array: BaseArray, moved: Traffic, memory: Memory) -> Values:
    """Transfer time: both ways after each other on a shared port, else side by side."""
    if array.shared_port:
        return moved.port_ns(memory)
    return np.maximum(moved.read_ns(memory), moved.write_ns(memory))
