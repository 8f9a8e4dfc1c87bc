"""Every Pox x Poy x Pof that fits a board, priced on a whole network at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from cgap_hw.arrays import OutputStationary
from cgap_hw.arrays.memory import BufferBits, Traffic, Volumes, traffic, transfer_ns
from cgap_hw.arrays.pipeline import port_ns
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable, ceil_div
from cgap_hw.price.energy import DRAM_PAGE_BYTES

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class DesignGrid(BaseModel):
    """All whole Pox, Poy and Pof up to these sizes whose DSP blocks the board has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pox: int = Field(default=28, ge=1)
    poy: int = Field(default=28, ge=1)
    pof: int = Field(default=512, ge=1)


@dataclass(frozen=True)
class Exploration:
    """Designs and their prices, arrays of shape (designs,); energy is the middle estimate."""

    pox: Indices
    poy: Indices
    pof: Indices
    dsp: Indices
    latency_ms: Values
    energy_mj: Values
    n_evaluations: int

    def __len__(self) -> int:
        return len(self.pox)

    def pareto(self) -> Indices:
        """Designs that no other beats in latency, energy and DSP blocks; fastest first."""
        order = np.lexsort((self.dsp, self.energy_mj, self.latency_ms))
        front: list[int] = []
        kept = np.empty((0, 2))
        for i in order:
            point = np.array([self.energy_mj[i], self.dsp[i]])
            if not np.any(np.all(kept <= point, axis=1)):
                front.append(int(i))
                kept = np.vstack([kept[~np.all(kept >= point, axis=1)], point])
        return np.array(front, dtype=np.int64)


def explore(
    layers: Sequence[LayerShape], board: Board, bits: int = 8, grid: DesignGrid | None = None
) -> Exploration:
    """Latency and energy of a network on every design of a grid, each layer tiled at its best.

    Traffic depends on Poy and Pof only, and equal layers are priced once: the designs share
    both. The results are those of `network_cost`.

    Args:
        layers: The network.
        board: Its own array gives clock, overheads, lanes and buffer shares.
        bits: Word width.
        grid: Sizes to try.

    Raises:
        CostModelError: The board's array is of another style, or no design fits.
    """
    array = board.array
    if not isinstance(array, OutputStationary):
        raise CostModelError(
            f"explore varies Pox x Poy x Pof; the array of {board.name} is {array.style}"
        )
    if array.controller:
        raise CostModelError(
            f"explore has no prices for arrays with a controller, as that of {board.name}"
        )
    pox, poy, pof, dsp = _designs(board, bits, grid or DesignGrid())
    if not len(pox):
        raise CostModelError(f"no design of the grid fits into the DSP blocks of {board.name}")
    t, counts = _distinct(layers)
    pairs, pair = _index_pairs(poy, pof)
    part = _Pairs(t, board, array, bits, pairs)
    latency = part.latency_ns(pox, pair, counts) + array.call_overhead_us * 1e3
    energy = part.energy_pj(pox, pair, counts, latency - array.call_overhead_us * 1e3)
    fits = np.isfinite(latency)
    return Exploration(
        pox=pox[fits],
        poy=poy[fits],
        pof=pof[fits],
        dsp=dsp[fits],
        latency_ms=latency[fits] * 1e-6,
        energy_mj=energy[fits] * 1e-9,
        n_evaluations=len(pox) * len(layers),
    )


def _designs(board: Board, bits: int, grid: DesignGrid) -> tuple[Indices, ...]:
    """Designs within the DSP blocks; pairs of MACs in one block share an input."""
    per_dsp = board.resources.macs_per_dsp(bits)
    pox, poy, pof = np.ix_(*(np.arange(1, n + 1) for n in (grid.pox, grid.poy, grid.pof)))
    if per_dsp >= 1:
        dsp = pox * poy * ceil_div(pof, int(per_dsp))
    else:
        dsp = np.ceil(pox * poy * pof / per_dsp).astype(np.int64)
    fits = np.nonzero(dsp <= board.resources.dsp.count)
    return fits[0] + 1, fits[1] + 1, fits[2] + 1, dsp[fits]


def _index_pairs(poy: Indices, pof: Indices) -> tuple[Indices, Indices]:
    """The distinct (Poy, Pof), shape (2, pairs), and which of them each design has."""
    width = int(pof.max()) + 1
    code = poy * width + pof
    place = np.zeros(int(code.max()) + 1, dtype=np.int64)
    place[code] = 1
    known = np.flatnonzero(place)
    place[known] = np.arange(len(known))
    return np.stack(np.divmod(known, width)), place[code]


def _distinct(layers: Sequence[LayerShape]) -> tuple[LayerTable, Values]:
    """Layers that differ in price, and how often each occurs."""
    seen: dict[tuple[Any, ...], list[LayerShape]] = {}
    for layer in layers:
        key = (*layer.model_dump(exclude={"name", "inputs", "bias"}).values(), layer.n_inputs)
        seen.setdefault(key, []).append(layer)
    table = LayerTable.of([same[0] for same in seen.values()])
    return table, np.array([float(len(same)) for same in seen.values()])


class _Pairs:
    """What depends on (Poy, Pof) only, arrays of shape (pairs, layers)."""

    def __init__(
        self, t: LayerTable, board: Board, array: OutputStationary, bits: int, pairs: Indices
    ) -> None:
        self.t, self.board, self.array, self.bits = t, board, array, bits
        poy, pof = (x[:, None].astype(np.float64) for x in pairs)
        self.poy, self.pof = poy, pof
        volumes = Volumes(t, bits, BufferBits.of(board, array), poy, pof)
        self.moved: Traffic = traffic(volumes, board, refuse=False)
        self.transfer = port_ns(array, self.moved, board.memory)
        groups_of = t.groups * ceil_div(t.n_of / t.groups, pof)
        ns = 1e3 / array.clock_mhz
        conv = t.taps * (t.n_if / t.groups) * groups_of * ceil_div(t.oy, poy)
        self.conv_ns = conv * ns
        lanes = np.where(t.is_kind("pool"), array.pool_lanes, array.add_lanes)
        self.other_ns = ceil_div(t.lane_operations, lanes) * ns

    def latency_ns(self, pox: Indices, pair: Indices, counts: Values) -> Values:
        """Time of every design: ``sum max(T_compute, T_transfer) + T_fill + T_control``."""
        t = self.t
        widths = np.arange(1, pox.max() + 1)[:, None]
        across = ceil_div(t.ox, widths)
        fill = transfer_ns(self.moved.fill_bytes, 0.0, self.board.memory)
        busy_else = np.maximum(self.other_ns, self.transfer)
        moves = np.where(t.computes | (busy_else > 0), self.array.layer_overhead_ns, 0.0)
        alone = (fill + moves + np.where(t.computes, 0.0, busy_else)) @ counts
        total: Values = alone[pair]
        for i in np.flatnonzero(t.computes).tolist():
            compute = self._compute(i, across)[pair, pox - 1]
            total = total + counts[i] * np.maximum(compute, self.transfer[:, i][pair])
        return total

    def _compute(self, i: int, across: Values) -> Values:
        """Computing time of layer i, shape (pairs, Pox)."""
        t = self.t
        if self.array.full_linear and t.is_kind("linear")[i]:
            lanes = self.poy * self.pof * np.arange(1, len(across) + 1)
            cycles = t.n_if[i] * ceil_div(t.n_of[i], lanes) * t.ox[i] * t.oy[i]
            return np.asarray(cycles * 1e3 / self.array.clock_mhz)
        return np.asarray(self.conv_ns[:, i][:, None] * across[:, i])

    def energy_pj(self, pox: Indices, pair: Indices, counts: Values, time_ns: Values) -> Values:
        """Middle of the energy of `cgap_hw.price.energy`, summed over the layers."""
        t, e, moved = self.t, self.board.energy, self.moved
        total = moved.total_bytes
        activations = moved.runs + total / DRAM_PAGE_BYTES
        words = t.macs / self.pof + t.lane_operations + t.pixels_out
        fixed = (
            8 * e.dram_rw_pj_per_bit.mid * total
            + e.dram_activate_pj.mid * activations
            + e.block_ram_pj_per_bit.mid * (words * self.bits + 8 * total)
            + e.mac_pj(self.bits).mid * (t.macs + t.lane_operations)
        ) @ counts
        macs = float(t.macs @ counts)
        reuse = pox * self.poy[:, 0][pair]
        weights = e.block_ram_pj_per_bit.mid * self.bits * macs / reuse
        power = e.dram_background_mw.mid + 1000 * e.static_w.mid
        energy: Values = fixed[pair] + weights + power * time_ns
        return energy
