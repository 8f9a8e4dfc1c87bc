"""The four orders in which the tiles of a convolution or linear layer may run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays.traffic.volumes import Volumes
from cgap_hw.numeric import ceil_div

ORDERS = ("channels outer", "rows outer", "input channels tiled, wide", "input channels tiled")
PARTIAL_SUM_BITS = 32


@dataclass(frozen=True)
class Reads:
    """What an order reads: bits of pixels and of weights, in how many runs each, if it fits."""

    pixel_bits: Any
    weight_bits: Any
    pixel_runs: Any
    weight_runs: Any
    fits: Any


@dataclass(frozen=True)
class _WholeDepth:
    """The largest tiles that keep all input channels, and whether even the smallest does."""

    channels: Any
    n_rows: Any
    n_channels: Any
    fits: Any


def reads_by_order(v: Volumes) -> tuple[Reads, Reads, Reads, Reads]:
    """What each of `ORDERS` reads."""
    tiles = _whole_depth(v)
    return (
        _channels_outer(v, tiles),
        _rows_outer(v, tiles),
        _depth_tiled(v, wide=True),
        _depth_tiled(v, wide=False),
    )


def _whole_depth(v: Volumes) -> _WholeDepth:
    """Each operand in its own buffer: rows by that of the pixels, channels by the weights'."""
    t, grain = v.t, v.grain

    # The first output row needs a whole window, every further one a step: solved for rows.
    # If the whole map is held, so are the windows that hang over its padded edges.
    rows_held = np.floor(v.half.pixels / (v.row_bits * t.n_if))
    rows = np.floor((rows_held - t.span_y) / v.row_step) + 1
    rows = np.where(rows_held >= t.iy, t.oy, _multiple(rows, grain.rows))

    channels_held = np.floor(v.half.weights / (t.taps * v.depth * v.bits))
    channels = _multiple(channels_held, grain.channels)
    channels = np.where(channels_held >= t.n_of, t.n_of, channels)

    fits = (rows >= v.least_rows) & (channels >= v.least_channels)
    rows, channels = np.clip(rows, 1, t.oy), np.clip(channels, 1, t.n_of)
    return _WholeDepth(channels, ceil_div(t.oy, rows), ceil_div(t.n_of, channels), fits)


def _channels_outer(v: Volumes, tiles: _WholeDepth) -> Reads:
    """``n_of V_px + V_wt``: weights read once, pixels again for every tile of channels."""
    t = v.t
    # A map that is one tile stays. A group's outputs read only that group's pixels, so what
    # is read again is counted in tiles of a group.
    passes = np.where(tiles.n_rows > 1, ceil_div(t.n_of / t.groups, tiles.channels), 1)
    pixels = passes * v.pixel_rows(tiles.n_rows) * v.row_bits * t.n_if
    runs = passes * _pixel_runs(v, tiles.n_rows)
    return Reads(pixels, t.weights * v.bits, runs, tiles.n_channels, tiles.fits)


def _rows_outer(v: Volumes, tiles: _WholeDepth) -> Reads:
    """``V_px + n_oy V_wt``: pixels read once, weights again for every tile of rows."""
    t = v.t
    passes = np.where(tiles.n_channels > 1, tiles.n_rows, 1)  # weights of one tile stay
    pixels = v.pixel_rows(tiles.n_rows) * v.row_bits * t.n_if
    runs = (_pixel_runs(v, tiles.n_rows), passes * tiles.n_channels)
    return Reads(pixels, passes * t.weights * v.bits, *runs, tiles.fits)


def _depth_tiled(v: Volumes, *, wide: bool) -> Reads:
    """Input channels in tiles too; the partial sums of one output tile stay on chip.

    Args:
        v: The layers.
        wide: Spend the output buffer on channels (pixels are read less often) instead of rows
            (weights are).
    """
    t = v.t

    # The output buffer decides the tile: so many rows x channels of partial sums it holds.
    held = np.floor(v.half.outputs / (PARTIAL_SUM_BITS * t.ox))
    rows, channels = v.least_rows, v.least_channels
    if wide:
        channels = np.clip(_multiple(held / rows, v.grain.channels), 1, t.n_of)
    else:
        rows = np.clip(_multiple(held / channels, v.grain.rows), 1, t.oy)
    n_rows, n_channels = ceil_div(t.oy, rows), ceil_div(t.n_of, channels)

    # As many input channels at once as both their pixels and their weights have room for.
    depth = np.minimum(
        np.floor(v.half.pixels / (v.window_rows(rows) * v.row_bits)),
        np.floor(v.half.weights / (t.taps * channels * v.bits)),
    )
    fits = (depth >= 1) & (held >= v.least_rows * v.least_channels)
    depth = np.clip(depth, 1, v.depth)

    passes = ceil_div(t.n_of / t.groups, channels)
    pixels = passes * v.pixel_rows(n_rows) * v.row_bits * t.n_if
    slices = ceil_div(v.depth, depth)
    runs = (passes * _pixel_runs(v, n_rows), n_channels * n_rows * slices)
    return Reads(pixels, n_rows * t.weights * v.bits, *runs, fits)


def _multiple(value: Any, grain: Any) -> Any:
    return np.floor(value / grain) * grain


def _pixel_runs(v: Volumes, n_rows: Any) -> Any:
    """Contiguous runs of one pass: whole maps lie end to end, rows of tiles do not."""
    return np.where(n_rows > 1, n_rows * v.t.n_if, 1)
