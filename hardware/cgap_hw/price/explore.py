"""Every Pox x Poy x Pof and split of the buffers that fits a board, priced at once.

The prices are those of the formulas that price a single design: an array whose Pof is a column
of numbers (`OutputStationary.sized`) gives a row a design wherever a single one gives numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cgap_hw.arrays import Buffers, OutputStationary
from cgap_hw.arrays.traffic import Traffic, least_traffic
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Indices, Values
from cgap_hw.price.banks import LargestMaps
from cgap_hw.price.designs import DesignGrid, fitting, removals
from cgap_hw.price.energy import Work, activity, energy_of

BLOCK = 1024  # designs that are priced at once: their columns stay in the processor's cache


@dataclass(frozen=True)
class Exploration:
    """Designs and their prices, arrays of shape (designs,); energy is the middle estimate.

    Attributes:
        split: Position in ``splits`` of each design's buffers.
        splits: The buffer shares that were tried.
        removed: Limit -> designs of the grid that it took away, each counted at the first.
        base: The array whose sizes and buffers were varied.
    """

    pox: Indices
    poy: Indices
    pof: Indices
    dsp: Indices
    split: Indices
    latency_ms: Values
    energy_mj: Values
    n_evaluations: int
    splits: tuple[Buffers, ...]
    removed: dict[str, int]
    base: OutputStationary

    def __len__(self) -> int:
        return len(self.pox)

    def array(self, i: int) -> OutputStationary:
        """The array of a design, as `network_cost` prices it."""
        sized = self.base.sized(int(self.pox[i]), int(self.poy[i]), int(self.pof[i]))
        return sized.model_copy(update={"buffers": self.splits[self.split[i]]})

    def pareto(self) -> Indices:
        """Designs that no other beats in latency, energy and DSP blocks; fastest first."""
        return pareto_front(self.latency_ms, self.energy_mj, self.dsp)


def pareto_front(latency: Values, energy: Values, dsp: Indices) -> Indices:
    """Designs that no other beats in all three; fastest first."""
    left = np.lexsort((dsp, energy, latency))
    front: list[int] = []
    while len(left):
        # All that are left are no faster: only the other two can speak for them.
        best = left[0]
        front.append(int(best))
        left = left[(energy[left] < energy[best]) | (dsp[left] < dsp[best])]
    return np.array(front, dtype=np.int64)


def explore(
    layers: Sequence[LayerShape], board: Board, bits: int = 8, grid: DesignGrid | None = None
) -> Exploration:
    """Latency and energy of a network on every design of a grid, each layer tiled at its best.

    Only designs whose resources the board has by the rules of `usage` are priced; what
    `network_cost` could not tile is left out too.

    Args:
        layers: The network.
        board: Its own array gives clock, overheads, lanes and the first split of the buffers.
        bits: Word width.
        grid: Sizes and splits to try.

    Raises:
        CostModelError: The board's array is of another style, or no design fits.

    >>> from cgap_hw import LayerShape, load_board
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> grid = DesignGrid(pox=1, poy=2, pof=12, splits=())
    >>> designs = explore([head], load_board("zcu102"), grid=grid)
    >>> len(designs), designs.dsp.max().item()
    (24, 12)
    """
    array = _explorable(board)
    grid = grid or DesignGrid()
    splits = tuple(dict.fromkeys((array.buffers, *grid.splits)))
    fit = fitting(LargestMaps.of(layers, bits), board, array, bits, grid.sizes, splits)

    alike, counts = _distinct(layers)
    latency, energy = np.empty(len(fit.pox)), np.empty(len(fit.pox))
    for i, shares in enumerate(splits):
        (rows,) = np.nonzero(fit.split == i)
        one = array.model_copy(update={"buffers": shares})
        prices = _prices(
            _Sweep(alike, counts, board, one, bits), fit.pox[rows], fit.poy[rows], fit.pof[rows]
        )
        latency[rows], energy[rows] = prices

    tiled = np.isfinite(latency)
    removed = fit.removed | {"tiles": int((~tiled).sum())}
    if not tiled.any():
        raise CostModelError(f"no design of the grid fits {board.name}: {removals(removed)}")
    return Exploration(
        pox=fit.pox[tiled],
        poy=fit.poy[tiled],
        pof=fit.pof[tiled],
        dsp=fit.dsp[tiled],
        split=fit.split[tiled],
        latency_ms=latency[tiled] * 1e-6,
        energy_mj=energy[tiled],
        n_evaluations=len(fit.pox) * len(layers),
        splits=splits,
        removed=removed,
        base=array,
    )


def _explorable(board: Board) -> OutputStationary:
    """The board's array, if it is one whose sizes can be varied."""
    array = board.array
    if not isinstance(array, OutputStationary):
        raise CostModelError(
            f"explore varies Pox x Poy x Pof; the array of {board.name} is {array.style}"
        )
    if array.controller:
        raise CostModelError(
            f"explore has no prices for arrays with a controller, as that of {board.name}"
        )
    return array


def _distinct(layers: Sequence[LayerShape]) -> tuple[LayerTable, Values]:
    """Layers that differ in price, and how often each occurs."""
    alike: dict[tuple[Any, ...], list[LayerShape]] = {}
    for layer in layers:
        key = (*layer.model_dump(exclude={"name", "inputs", "bias"}).values(), layer.n_inputs)
        alike.setdefault(key, []).append(layer)
    table = LayerTable.of([same[0] for same in alike.values()])
    return table, np.array([float(len(same)) for same in alike.values()])


@dataclass(frozen=True)
class _Moved:
    """What does not depend on Pox, a row a Pof: times of every layer, traffic of all."""

    transfer_ns: Values
    fill_ns: Values
    sums: Traffic


@dataclass(frozen=True)
class _Sweep:
    """What all designs share: the distinct layers, how often each occurs, and the board."""

    t: LayerTable
    counts: Values
    board: Board
    array: OutputStationary
    bits: int

    @cached_property
    def work(self) -> Work:
        """That of the whole network."""
        return Work.of(self.t).summed(self.counts)

    def moved(self, poy: int, most_pof: int) -> _Moved:
        """That of the designs with that Poy and a Pof of 1, 2, ..., a row each."""
        pof = np.arange(1.0, most_pof + 1)[:, None]
        volumes = self.array.sized(1, poy, pof).volumes(self.t, self.board, self.bits)
        traffic = least_traffic(volumes, self.board.dram, refuse=False)
        transfer, fill = self.array.moving_ns(traffic, self.board.dram)
        return _Moved(transfer, fill, traffic.summed(self.counts))

    def price(
        self, moved: _Moved, pox: Indices, poy: int, pof: Indices
    ) -> tuple[Values, Values]:
        """Latency in ns and energy in mJ of some designs, given what each of them moves."""
        columns = (sizes[:, None].astype(np.float64) for sizes in (pox, pof))
        array = self.array.sized(next(columns), poy, next(columns))
        rows = pof - 1
        times, _ = array.overlapped_ns(
            array.cycles(self.t), moved.transfer_ns[rows], moved.fill_ns[rows]
        )
        total_ns: Values = times @ self.counts

        designs = self.array.sized(pox, poy, pof)
        spent = activity(self.work, moved.sums.designs(rows), designs, self.bits, total_ns)
        spent = {part: np.broadcast_to(x, len(pox)) for part, x in spent.items()}
        energy = energy_of(spent, self.board.energy, self.bits).per_layer()[1]
        return total_ns + array.call_overhead_us * 1e3, energy


def _prices(sweep: _Sweep, pox: Indices, poy: Indices, pof: Indices) -> tuple[Values, Values]:
    """Latency in ns and energy in mJ of designs.

    What a layer moves does not depend on Pox: it is worked out once for each Poy and Pof.
    """
    latency, energy = np.empty(len(pox)), np.empty(len(pox))
    for rows in range(1, int(poy.max(initial=0)) + 1):
        (same,) = np.nonzero(poy == rows)
        moved = sweep.moved(rows, int(pof[same].max(initial=1)))
        for start in range(0, len(same), BLOCK):
            block = same[start : start + BLOCK]
            sizes = (pox[block], rows, pof[block])
            latency[block], energy[block] = sweep.price(moved, *sizes)
    return latency, energy
