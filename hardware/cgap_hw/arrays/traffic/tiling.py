"""The traffic of every layer with its best tile order."""

from __future__ import annotations

from typing import Any

import numpy as np

from cgap_hw.arrays.traffic.moved import Traffic, transfer_ns, whole_bursts
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
    names = ("pixel_bits", "weight_bits", "pixel_runs", "weight_runs")
    least = _read_ns(first, dram)
    chosen = {n: np.broadcast_to(getattr(first, n), least.shape) for n in names}
    order = np.zeros(least.shape, dtype=np.int64)

    for i, other in enumerate(others, start=1):
        time = _read_ns(other, dram)
        better = time < least  # of equals the first
        if not better.any():
            continue
        order[better] = i
        least = np.where(better, time, least)
        chosen = {n: np.where(better, getattr(other, n), x) for n, x in chosen.items()}

    never = np.isinf(least)
    if refuse:
        _refuse_unfit(v, never)
    chosen["pixel_runs"] = np.where(never, NEVER, chosen["pixel_runs"])
    return _with_other_kinds(v, Reads(**chosen, fits=~never), order)


def _read_ns(reads: Reads, dram: Dram) -> Any:
    """Time of the reads; never where they do not fit. Writes are the same in every order."""
    time = transfer_ns(
        (reads.pixel_bits + reads.weight_bits) / 8, reads.pixel_runs + reads.weight_runs, dram
    )
    return np.where(reads.fits, time, NEVER)


def _refuse_unfit(v: Volumes, never: Any) -> None:
    bad = never & v.t.computes
    if np.any(bad):
        where = int(np.argwhere(bad)[0][-1])
        raise CostModelError(
            f"layer {where} (n_in={v.t.n_if[where]:.0f}, n_out={v.t.n_of[where]:.0f}, width"
            f" {v.t.ix[where]:.0f}) cannot be tiled into the buffers: not even one input"
            f" channel of the smallest tile fits ({v.half.pixels / 8:.0f} bytes of pixels,"
            f" {v.half.weights / 8:.0f} of weights, {v.half.outputs / 8:.0f} of outputs)"
        )


def _with_other_kinds(v: Volumes, reads: Reads, order: Any) -> Traffic:
    """Passes read every input map once; a concatenation moves nothing."""
    t = v.t
    moves = np.where(t.is_kind("concat"), 0.0, 1.0)
    one_map = t.n_if * t.ix * t.iy * v.bits
    maps = np.where(t.is_kind("pool"), one_map, t.n_inputs * t.n_if * t.ix * t.iy * v.bits)
    pixels = np.where(t.computes, reads.pixel_bits, maps * moves)
    weights = np.where(t.computes, reads.weight_bits, t.weights * v.bits * moves)
    outputs = t.pixels_out * v.bits * moves
    fill_pixels, fill_weights, fill_outputs = _fill_bytes(v, pixels)

    return Traffic(
        pixel_bytes=whole_bursts(pixels / 8),
        weight_bytes=whole_bursts(weights / 8),
        output_bytes=whole_bursts(outputs / 8),
        pixel_runs=np.where(t.computes, reads.pixel_runs, t.n_inputs * moves),
        weight_runs=np.where(t.computes, reads.weight_runs, moves),
        write_runs=np.where(outputs > 0, 1.0, 0.0),
        fill_pixel_bytes=fill_pixels,
        fill_weight_bytes=fill_weights,
        fill_output_bytes=fill_outputs,
        order=order,
    )


def _fill_bytes(v: Volumes, pixels: Any) -> tuple[Any, Any, Any]:
    """The smallest tile's operands, before anything starts, and its results, after all ends."""
    t = v.t
    first_rows = v.window_rows(v.least_rows) * v.row_bits * v.depth
    first_weights = v.least_channels * t.taps * v.depth * v.bits
    last_outputs = v.least_rows * t.ox * v.least_channels * v.bits
    share = t.computes / 8  # in bytes, of what multiplies only
    rows = np.minimum(first_rows, pixels)
    return rows * share, first_weights * share, last_outputs * share
