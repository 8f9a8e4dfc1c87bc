"""The traffic of every layer with its best tile order."""

from __future__ import annotations

from typing import Any

import numpy as np

from cgap_hw.arrays.traffic.moved import Traffic, transfer_ns
from cgap_hw.arrays.traffic.orders import Reads, reads_by_order
from cgap_hw.arrays.traffic.volumes import Volumes
from cgap_hw.chips.chip import Dram
from cgap_hw.errors import CostModelError

NEVER = np.inf


def least_traffic(v: Volumes, dram: Dram, *, refuse: bool = True) -> Traffic:
    """The traffic of every layer with the order that holds the DRAM port for the least time.

    Args:
        v: Layers, buffers and grain; the grain may be columns that broadcast against the
            layers.
        dram: Its speed.
        refuse: Raise where a layer cannot be tiled; else it takes infinitely many runs.

    Raises:
        CostModelError: A layer's smallest tile does not fit into the buffers.
    """
    first, *others = reads_by_order(v)
    pixels, weights, runs = first.pixel_bits, first.weight_bits, first.runs
    least = _read_ns(first, dram)
    order = np.zeros(least.shape, dtype=np.int64)

    for i, other in enumerate(others, start=1):
        time = _read_ns(other, dram)
        better = time < least  # of equals the first
        order[better] = i
        least = np.where(better, time, least)
        pixels = np.where(better, other.pixel_bits, pixels)
        weights = np.where(better, other.weight_bits, weights)
        runs = np.where(better, other.runs, runs)

    if refuse:
        _refuse_unfit(v, least)
    runs = np.where(np.isinf(least), NEVER, runs)
    return _with_other_kinds(v, pixels, weights, runs, order)


def _read_ns(reads: Reads, dram: Dram) -> Any:
    """Time of the reads; never where they do not fit. Writes are the same in every order."""
    time = transfer_ns((reads.pixel_bits + reads.weight_bits) / 8, reads.runs, dram)
    return np.where(reads.fits, time, NEVER)


def _refuse_unfit(v: Volumes, best: Any) -> None:
    bad = np.isinf(best) & v.t.computes
    if np.any(bad):
        where = int(np.argwhere(bad)[0][-1])
        raise CostModelError(
            f"layer {where} (n_in={v.t.n_if[where]:.0f}, n_out={v.t.n_of[where]:.0f}, width"
            f" {v.t.ix[where]:.0f}) cannot be tiled into the buffers: not even one input"
            f" channel of the smallest tile fits ({v.half.pixels / 8:.0f} bytes of pixels,"
            f" {v.half.weights / 8:.0f} of weights, {v.half.outputs / 8:.0f} of outputs)"
        )


def _with_other_kinds(v: Volumes, pixels: Any, weights: Any, runs: Any, order: Any) -> Traffic:
    """Passes read every input map once; a concatenation moves nothing."""
    t = v.t
    moves = np.where(t.is_kind("concat"), 0.0, 1.0)
    one_map = t.n_if * t.ix * t.iy * v.bits
    maps = np.where(t.is_kind("pool"), one_map, t.n_inputs * t.n_if * t.ix * t.iy * v.bits)
    pixels = np.where(t.computes, pixels, maps * moves)
    weights = np.where(t.computes, weights, t.weights * v.bits * moves)
    runs = np.where(t.computes, runs, (t.n_inputs + 1) * moves)
    outputs = t.pixels_out * v.bits * moves

    as_bytes = [
        _burst_bytes(bits) for bits in (pixels, weights, outputs, _fill_bits(v, pixels))
    ]
    writes = np.where(outputs > 0, 1.0, 0.0)
    return Traffic(as_bytes[0], as_bytes[1], as_bytes[2], runs, writes, as_bytes[3], order)


def _fill_bits(v: Volumes, pixels: Any) -> Any:
    """The smallest tile's operands, before anything starts, and its results, after all ends."""
    t = v.t
    first_rows = v.window_rows(v.least_rows) * v.row_bits * v.depth
    first_weights = v.least_channels * t.taps * v.depth * v.bits
    last_outputs = v.least_rows * t.ox * v.least_channels * v.bits
    fill = np.minimum(first_rows, pixels) + first_weights + last_outputs
    return np.where(t.computes, fill, 0.0)


def _burst_bytes(bits: Any) -> Any:
    """Bytes, rounded up to the 64 of one burst."""
    return np.ceil(bits / 512) * 64
