"""The steps of a layer's tiles: one is computed, one stored and one loaded at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cgap_hw.arrays.lock_step.sizes import Machine, Port, Sizes, Tiles
from cgap_hw.arrays.lock_step.transfers import (
    RowTile,
    pixel_cycles,
    store_cycles,
    weight_cycles,
)
from cgap_hw.numeric import ceil_div

Values = npt.NDArray[Any]
STEP_CYCLES = 5  # launch, barrier, and one each to leave store, pixels and weights
LAUNCH_CYCLES = 2  # launch and barrier around a tile's computation
PIPELINE_CYCLES = 6  # from a pass's last address to the results' buffer; its rows add Poy


@dataclass(frozen=True)
class Timeline:
    """Predicted cycles of a layer, and the bytes it moves.

    Attributes:
        total: From start to end.
        compute: In which a pass is under way.
        pixels: In which the port brings pixels.
        weights: In which it brings weights.
        store: In which it takes results away.
        pixel_bytes: Read, rows that tiles share twice.
        weight_bytes: Read, again for every row tile if rows are outside.
        output_bytes: Written.
        n_reads: Tiles of pixels and of weights that were read.
        n_writes: Tiles that were written.
    """

    total: float
    compute: int
    pixels: float
    weights: float
    store: float
    pixel_bytes: int
    weight_bytes: int
    output_bytes: int
    n_reads: int
    n_writes: int

    @property
    def port(self) -> float:
        """Cycles in which the port is busy."""
        return self.pixels + self.weights + self.store

    @property
    def bound(self) -> str:
        """Compute if it outlasts the port, else the operand that holds the port longest."""
        busy = {"input": self.pixels, "weight": self.weights, "output": self.store}
        return "compute" if self.compute >= self.port else max(busy, key=busy.__getitem__)


@dataclass(frozen=True)
class _TileOrder:
    """Tiles in their order; those of one kind take equally long.

    ``row`` and ``unit`` index the kinds; the flags say what must be loaded.
    """

    row_kinds: list[RowTile]
    unit_kinds: list[int]
    row: Values
    unit: Values
    load_pixels: Values
    load_weights: Values

    @classmethod
    def of(cls, s: Sizes, tiles: Tiles) -> _TileOrder:
        rows = [RowTile.of(s, y, min(tiles.rows, s.oy - y)) for y in range(0, s.oy, tiles.rows)]
        units = [min(tiles.units, s.units - u) for u in range(0, s.units, tiles.units)]

        place = np.arange(len(rows) * len(units))
        if tiles.rows_outer:
            row, unit = np.divmod(place, len(units))
        else:
            unit, row = np.divmod(place, len(rows))

        # The buffers keep what the tile before has left: only what changes is loaded. Of a
        # grouped layer other channels read other pixels, so these change with them.
        new_unit = np.diff(unit, prepend=-1) != 0
        new_row = np.diff(row, prepend=-1) != 0

        row_kinds, unit_kinds = list(dict.fromkeys(rows)), list(dict.fromkeys(units))
        return cls(
            row_kinds,
            unit_kinds,
            np.array([row_kinds.index(tile) for tile in rows])[row],
            np.array([unit_kinds.index(tile) for tile in units])[unit],
            new_row | (new_unit & (s.groups > 1)),
            new_unit,
        )

    def each(self, count: Callable[[RowTile, int], float]) -> Values:
        """A number for every tile, worked out once for each kind."""
        table = [[count(row, units) for units in self.unit_kinds] for row in self.row_kinds]
        return np.array(table)[self.row, self.unit]


def timeline(s: Sizes, tiles: Tiles, m: Machine, port: Port) -> Timeline:
    """Cycles of a layer with given tiles, `T = sum over steps of max(compute, transfers)`."""
    order = _TileOrder.of(s, tiles)
    load_pixels, load_weights = order.load_pixels, order.load_weights

    compute = order.each(lambda row, units: _passes(s, row, units, m)) * max(s.depth, m.poy)
    pixels = load_pixels * order.each(
        lambda row, units: pixel_cycles(s, row, s.channels_in(units), m, port)
    )
    weights = load_weights * order.each(lambda _, units: weight_cycles(s, units, m, port))
    store = order.each(lambda row, units: store_cycles(s, units, row.rows, m, port))

    # Shorter fields than Poy products wait for the rows to leave in every pass but the last.
    core = compute - max(0, m.poy - s.depth) + PIPELINE_CYCLES + m.poy
    rows_read = load_pixels * order.each(lambda row, units: row.inside * s.channels_in(units))
    outputs = load_weights * order.each(lambda _, units: s.channels_out(units))

    return Timeline(
        total=_total(core, pixels + weights, store),
        compute=int(compute.sum()),
        pixels=float(pixels.sum()),
        weights=float(weights.sum()),
        store=float(store.sum()),
        pixel_bytes=int(rows_read.sum()) * s.ix * m.word_bytes,
        weight_bytes=int(outputs.sum()) * s.depth * m.word_bytes,
        output_bytes=s.n_of * s.ox * s.oy * m.word_bytes,
        n_reads=int(load_pixels.sum() + load_weights.sum()),
        n_writes=len(store),
    )


def _passes(s: Sizes, row: RowTile, units: int, m: Machine) -> int:
    """Groups of Pox x Poy x Pof outputs of a tile."""
    return s.blocks(units, m.pof) * ceil_div(s.ox, m.pox) * ceil_div(row.rows, m.poy)


def _total(core: Values, load: Values, store: Values) -> float:
    """Steps: the first only loads, the last only stores.

    Args:
        core: Cycles of each tile from its first step to its last result.
        load: Cycles of its pixels and weights on the port.
        store: Cycles of its results.
    """
    busy = np.zeros(len(core) + 2)
    busy[:-2] += load
    busy[2:] += store
    computing = np.concatenate([[0.0], core + LAUNCH_CYCLES, [0.0]])
    return float(np.maximum(busy + STEP_CYCLES, computing).sum())
