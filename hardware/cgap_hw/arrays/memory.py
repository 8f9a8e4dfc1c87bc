"""DRAM traffic: which tiles, in which order, and what that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cgap_hw.errors import CostModelError
from cgap_hw.layers.table import LayerTable, ceil_div

if TYPE_CHECKING:
    from cgap_hw.arrays.base import BaseArray
    from cgap_hw.boards.board import Board, Memory

Values = npt.NDArray[np.float64]
ORDERS = ("channels outer", "rows outer", "input channels tiled, wide", "input channels tiled")
PARTIAL_SUM_BITS = 32
NEVER = np.inf


@dataclass(frozen=True)
class BufferBits:
    """One half of each ping-pong buffer, in bits."""

    pixels: float
    weights: float
    outputs: float

    @classmethod
    def of(cls, board: Board, array: BaseArray) -> BufferBits:
        """The shares that an array takes of a board's memory."""
        shares = array.buffers
        half = board.resources.on_chip_bits * shares.usable_ratio / 2
        return cls(
            half * shares.input_ratio, half * shares.weight_ratio, half * shares.output_ratio
        )


@dataclass(frozen=True)
class Traffic:
    """What each layer moves over the DRAM port, arrays of shape (..., L).

    Bytes and contiguous runs by operand; ``order`` indexes `ORDERS`; ``fill_bytes`` must
    arrive before the first and leave after the last MAC.
    """

    pixel_bytes: Values
    weight_bytes: Values
    output_bytes: Values
    read_runs: Values
    write_runs: Values
    fill_bytes: Values
    order: npt.NDArray[np.int64]

    @property
    def read_bytes(self) -> Values:
        """Pixels and weights."""
        return self.pixel_bytes + self.weight_bytes

    @property
    def total_bytes(self) -> Values:
        """Everything, both ways."""
        return self.read_bytes + self.output_bytes

    def only(self, read_share: Values, write_share: Values) -> Traffic:
        """Pixels and outputs times a share a layer, and no weights."""
        return Traffic(
            self.pixel_bytes * read_share,
            0 * self.weight_bytes,
            self.output_bytes * write_share,
            read_share,
            write_share,
            0 * self.fill_bytes,
            self.order,
        )

    @property
    def runs(self) -> Values:
        """Contiguous runs, both ways."""
        return self.read_runs + self.write_runs

    def read_ns(self, memory: Memory) -> Values:
        """Time of the reads alone."""
        time: Values = transfer_ns(self.read_bytes, self.read_runs, memory)
        return time

    def write_ns(self, memory: Memory) -> Values:
        """Time of the writes alone."""
        time: Values = transfer_ns(self.output_bytes, self.write_runs, memory)
        return time

    def port_ns(self, memory: Memory) -> Values:
        """Time of reads and writes on one port, one way at a time."""
        both = 2 * np.minimum(self.read_bytes, self.output_bytes)
        alone = (self.total_bytes - both) / memory.stream_bytes_per_ns
        time: Values = transfer_ns(both, self.runs, memory) + alone
        return time


def transfer_ns(n_bytes: Any, runs: Any, memory: Memory) -> Any:
    """``V / (eta BW) + runs * overhead``."""
    return n_bytes / memory.bytes_per_ns + runs * memory.run_overhead_ns.mid


@dataclass(frozen=True)
class _Tiles:
    """Sizes of one tile and how many there are."""

    rows: Any
    channels: Any
    n_rows: Any
    n_channels: Any
    fits: Any


@dataclass(frozen=True)
class Volumes:
    """Words of a layer, halves of the buffers and the tile grain: what tiling starts from."""

    t: LayerTable
    bits: int
    half: BufferBits
    rows: Any
    channels: Any

    @property
    def row_bits(self) -> Any:
        """One row of one input channel, as it lies in memory."""
        return self.t.ix * self.bits

    @property
    def depth(self) -> Any:
        """Input channels that one output channel reads."""
        return self.t.n_if / self.t.groups

    def window_rows(self, out_rows: Any) -> Any:
        """Input rows under a number of output rows, at most the map's."""
        spread = np.minimum(self.t.sy, self.t.span_y)
        return np.minimum((out_rows - 1) * spread + self.t.span_y, self.t.iy)

    def pixel_rows(self, n_rows: Any) -> Any:
        """Input rows read in one pass over the map in n tiles, halos read again."""
        halo = np.maximum(self.t.span_y - self.t.sy, 0) * (n_rows - 1)
        return np.minimum(self._used_rows, self.t.iy) + halo

    @property
    def _used_rows(self) -> Any:
        """Rows that any window touches; a stride beyond the kernel skips some."""
        spread = np.minimum(self.t.sy, self.t.span_y)
        return (self.t.oy - 1) * spread + self.t.span_y


def plan_traffic(
    t: LayerTable, board: Board, array: BaseArray, bits: int, *, by_energy: bool = False
) -> Traffic:
    """The traffic of every layer with its best tile order.

    Whole rows, as in Ma et al.: tiles of rows x output channels. While one tile of weights
    stays, pixels stream past it (channels outer), or the other way round (rows outer); if all
    input channels of the smallest tile do not fit, they are tiled too and partial sums of one
    tile wait on chip.

    Args:
        t: Layers.
        board: Memory and its speed.
        array: Its grain and buffer shares.
        bits: Word width of weights and pixels.
        by_energy: Choose the order with the least energy instead of the shortest transfer.

    Raises:
        CostModelError: A layer's smallest tile does not fit into the buffers.
    """
    volumes = Volumes(
        t, bits, BufferBits.of(board, array), array.grain.rows, array.grain.channels
    )
    return traffic(volumes, board, by_energy=by_energy)


def traffic(
    v: Volumes, board: Board, *, by_energy: bool = False, refuse: bool = True
) -> Traffic:
    """As `plan_traffic`; the grain may be arrays that broadcast against the layers.

    Without ``refuse`` a layer that cannot be tiled takes infinitely many runs.
    """
    options = [_channels_outer(v), _rows_outer(v), _tiled(v, wide=True), _tiled(v, wide=False)]
    px, wt, runs, _ = options[0]
    least = _price(options[0], board, by_energy)
    order = np.zeros(least.shape, dtype=np.int64)
    for i, option in enumerate(options[1:], start=1):
        price = _price(option, board, by_energy)
        better = price < least  # of equals the first
        order[better] = i
        least = np.where(better, price, least)
        px, wt, runs = (
            np.where(better, new, old)
            for new, old in zip(option[:3], (px, wt, runs), strict=True)
        )
    if refuse:
        _refuse_unfit(v, least)
    runs = np.where(np.isinf(least), NEVER, runs)
    return _with_other_kinds(v, px, wt, runs, order)


_Option = tuple[Any, Any, Any, Any]  # pixel bits, weight bits, read runs, fits


def _whole_depth_tiles(v: Volumes) -> _Tiles:
    """The largest tiles that keep all input channels, each operand in its own buffer."""
    t = v.t
    window = np.minimum(t.sy, t.span_y)
    rows_held = np.floor(v.half.pixels / (v.row_bits * t.n_if))
    rows = np.floor((rows_held - t.span_y) / window) + 1
    rows = np.where(rows_held >= t.iy, t.oy, np.floor(rows / v.rows) * v.rows)
    channels_held = np.floor(v.half.weights / (t.taps * v.depth * v.bits))
    channels = np.where(
        channels_held >= t.n_of, t.n_of, np.floor(channels_held / v.channels) * v.channels
    )
    fits = (rows >= np.minimum(v.rows, t.oy)) & (channels >= np.minimum(v.channels, t.n_of))
    rows, channels = np.clip(rows, 1, t.oy), np.clip(channels, 1, t.n_of)
    return _Tiles(rows, channels, ceil_div(t.oy, rows), ceil_div(t.n_of, channels), fits)


def _channels_outer(v: Volumes) -> _Option:
    """``n_of V_px + V_wt``: weights read once, pixels again for every tile of channels."""
    tiles, t = _whole_depth_tiles(v), v.t
    passes = np.where(tiles.n_rows > 1, ceil_div(t.n_of / t.groups, tiles.channels), 1)
    px = passes * v.pixel_rows(tiles.n_rows) * v.row_bits * t.n_if
    runs = passes * _pixel_runs(v, tiles.n_rows) + tiles.n_channels
    return px, t.weights * v.bits, runs, tiles.fits


def _rows_outer(v: Volumes) -> _Option:
    """``V_px + n_oy V_wt``: pixels read once, weights again for every tile of rows."""
    tiles, t = _whole_depth_tiles(v), v.t
    passes = np.where(tiles.n_channels > 1, tiles.n_rows, 1)
    px = v.pixel_rows(tiles.n_rows) * v.row_bits * t.n_if
    runs = _pixel_runs(v, tiles.n_rows) + passes * tiles.n_channels
    return px, passes * t.weights * v.bits, runs, tiles.fits


def _tiled(v: Volumes, *, wide: bool) -> _Option:
    """Input channels in tiles too; the partial sums of one output tile stay on chip."""
    t = v.t
    held = np.floor(v.half.outputs / (PARTIAL_SUM_BITS * t.ox))  # rows x channels
    least_rows, least_of = np.minimum(v.rows, t.oy), np.minimum(v.channels, t.n_of)
    rows = least_rows if wide else np.clip(_multiple(held / least_of, v.rows), 1, t.oy)
    channels = (
        np.clip(_multiple(held / least_rows, v.channels), 1, t.n_of) if wide else least_of
    )
    n_rows, n_channels = ceil_div(t.oy, rows), ceil_div(t.n_of, channels)
    window = v.window_rows(rows)
    depth = np.minimum(
        np.floor(v.half.pixels / (window * v.row_bits)),
        np.floor(v.half.weights / (t.taps * channels * v.bits)),
    )
    fits = (depth >= 1) & (held >= least_rows * least_of)
    depth = np.clip(depth, 1, v.depth)
    passes = ceil_div(t.n_of / t.groups, channels)
    px = passes * v.pixel_rows(n_rows) * v.row_bits * t.n_if
    slices = ceil_div(v.depth, depth)
    runs = passes * _pixel_runs(v, n_rows) + n_channels * n_rows * slices
    return px, n_rows * t.weights * v.bits, runs, fits


def _multiple(value: Any, grain: Any) -> Any:
    return np.floor(value / grain) * grain


def _pixel_runs(v: Volumes, n_rows: Any) -> Any:
    """Contiguous runs of one pass: whole maps lie end to end, rows of tiles do not."""
    return np.where(n_rows > 1, n_rows * v.t.n_if, 1)


def _price(option: _Option, board: Board, by_energy: bool) -> Any:
    px, wt, runs, fits = option
    total = (px + wt) / 8
    if by_energy:
        energy = board.energy
        price = total * 8 * energy.dram_rw_pj_per_bit.mid + runs * energy.dram_activate_pj.mid
    else:
        price = transfer_ns(total, runs, board.memory)
    return np.where(fits, price, NEVER)


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


def _with_other_kinds(v: Volumes, px: Any, wt: Any, runs: Any, order: Any) -> Traffic:
    """Passes read every input map once; a concatenation moves nothing."""
    t = v.t
    moves = np.where(t.is_kind("concat"), 0.0, 1.0)
    map_in = t.n_inputs * t.n_if * t.ix * t.iy * v.bits
    map_in = np.where(t.is_kind("pool"), t.n_if * t.ix * t.iy * v.bits, map_in)
    px = np.where(t.computes, px, map_in * moves)
    wt = np.where(t.computes, wt, t.weights * v.bits * moves)
    runs = np.where(t.computes, runs, (t.n_inputs + 1) * moves)
    out = t.pixels_out * v.bits * moves
    first_rows = v.window_rows(np.minimum(v.rows, t.oy)) * v.row_bits * v.depth
    first_weights = np.minimum(v.channels, t.n_of) * t.taps * v.depth * v.bits
    last_out = np.minimum(v.rows, t.oy) * t.ox * np.minimum(v.channels, t.n_of) * v.bits
    fill = np.where(t.computes, np.minimum(first_rows, px) + first_weights + last_out, 0.0)
    as_bytes = [_burst_bytes(bits) for bits in (px, wt, out, fill)]
    writes = np.where(out > 0, 1.0, 0.0) + np.zeros_like(runs)
    return Traffic(as_bytes[0], as_bytes[1], as_bytes[2], runs, writes, as_bytes[3], order)


def _burst_bytes(bits: Any) -> Any:
    """Bytes, rounded up to the 64 of one burst."""
    return np.ceil(bits / 512) * 64
