"""The time of a layer whose tiles are double-buffered."""

from __future__ import annotations

from typing import Any

import numpy as np

from cgap_hw.arrays.traffic import Traffic, transfer_ns
from cgap_hw.chips.chip import Dram
from cgap_hw.numeric import Values


def port_ns(moved: Traffic, dram: Dram, *, shared: bool) -> Values:
    """Transfer time: both ways after each other on a shared port, else side by side."""
    if shared:
        return moved.port_ns(dram)
    return np.maximum(moved.read_ns(dram), moved.write_ns(dram))


def double_buffered_ns(compute: Any, transfer: Any, fill: Any, overhead_ns: float) -> Values:
    """``T = max(T_compute, T_transfer) + T_fill + T_control``.

    The first tile must arrive before anything starts and the last must leave after it ends. A
    layer that does nothing (a concatenation) has no control either.
    """
    busy = np.maximum(compute, transfer)
    control = np.where(busy > 0, overhead_ns, 0.0)
    time: Values = busy + fill + control
    return time


def fill_ns(moved: Traffic, dram: Dram) -> Values:
    """Time in which the first tile arrives and the last leaves."""
    time: Values = transfer_ns(moved.fill_bytes, 0.0, dram)
    return time
