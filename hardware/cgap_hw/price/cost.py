"""The cost of one inference: latency, traffic, energy, and what bounds each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from cgap_hw.arrays import AnyArray
from cgap_hw.arrays.traffic import ORDERS, Traffic
from cgap_hw.boards.board import Board
from cgap_hw.chips.values import Range
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.price.energy import EnergyTable, energy_table
from cgap_hw.price.residency import keep_maps, keep_weights
from cgap_hw.price.timing import BOUND_BY, Timing, time_layers


class CostOptions(BaseModel):
    """How the network is run.

    Attributes:
        resident_weights: Weights were loaded before and stay on chip (they must fit).
        resident_maps: Maps that fit stay on chip between a layer and the next.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resident_weights: bool = False
    resident_maps: bool = False


@dataclass(frozen=True)
class LayerCost:
    """One layer: times in ns, traffic in bytes, energy in mJ (middle), and what bounds it."""

    name: str
    kind: str
    macs: int
    cycles: int
    latency_ns: float
    compute_ns: float
    memory_ns: float
    dram_bytes: int
    energy_mj: float
    utilisation_ratio: float
    order: str
    bound: str


@dataclass(frozen=True)
class NetworkCost:
    """The cost of one inference."""

    shapes: tuple[LayerShape, ...]
    bits: int
    array: AnyArray
    table: LayerTable = field(repr=False)
    moved: Traffic = field(repr=False)
    timing: Timing = field(repr=False)
    energy: EnergyTable = field(repr=False)
    idle_w: Range | None = None

    @cached_property
    def latency_ms(self) -> float:
        """Everything, the fixed cost of a call included."""
        return float(self.timing.network_ns * 1e-6 + self.array.call_overhead_us * 1e-3)

    @cached_property
    def conv_latency_ms(self) -> float:
        """Convolutions only."""
        return self._latency_of("conv")

    @cached_property
    def linear_latency_ms(self) -> float:
        """Linear layers only."""
        return self._latency_of("linear")

    @cached_property
    def matmul_latency_ms(self) -> float:
        """Matrix products whose second operand is read as they go: attention, recurrence."""
        return self._latency_of("matmul")

    @cached_property
    def other_latency_ms(self) -> float:
        """Pools, sums, per-channel passes, and the fixed cost of a call."""
        products = self.conv_latency_ms + self.linear_latency_ms + self.matmul_latency_ms
        return max(0.0, self.latency_ms - products)  # not minus what float64 rounds

    @cached_property
    def throughput_fps(self) -> float:
        """Images a second: one after the other, or the slowest engine of a pipeline."""
        return 1e9 / max(self.timing.interval_ns, 1e-3)

    @cached_property
    def energy_mj(self) -> Range:
        """Low, middle and high, of the FPGA's fabric and the DRAM: no processor, no board."""
        return self.energy.total()

    @cached_property
    def board_energy_mj(self) -> Range | None:
        """Of the whole board, where its power at idle is known: that over the latency, added.

        Static power counts in both: what boards were measured to draw beyond idle is as much
        as the estimate with its static part, not without (hardware/README.md).
        """
        if self.idle_w is None:
            return None
        return self.energy_mj + self.idle_w.scaled(self.latency_ms)  # 1 W ms = 1 mJ

    @cached_property
    def energy_split_mj(self) -> dict[str, Range]:
        """Energy by part: DRAM by operand, activation, background, block RAM, MAC, static."""
        return self.energy.split()

    @cached_property
    def dram_bytes(self) -> int:
        """Bytes over the DRAM port, both ways."""
        return int(self.moved.total_bytes.sum())

    @cached_property
    def macs(self) -> int:
        """Multiply-adds."""
        return int(self.table.macs.sum())

    @cached_property
    def n_weights(self) -> int:
        """Weights of convolutions and linear layers, biases not counted."""
        return sum(shape.n_weights for shape in self.shapes)

    @cached_property
    def utilisation_ratio(self) -> float:
        """Multiply-adds over what the array could have made in the same time."""
        possible = self.array.n_macs * self.array.clock_mhz * self.latency_ms * 1e3
        return self.macs / possible

    @cached_property
    def layers(self) -> tuple[LayerCost, ...]:
        """Every layer, in order."""
        energy = self.energy.per_layer()[1]
        busy = self.timing.cycles * self.array.n_macs
        ratio = np.divide(self.table.macs, busy, out=np.zeros_like(busy), where=busy > 0)

        return tuple(
            LayerCost(
                name=shape.name,
                kind="depthwise" if shape.depthwise else shape.kind,
                macs=shape.macs,
                cycles=int(self.timing.cycles[i]),
                latency_ns=float(self.timing.latency_ns[i]),
                compute_ns=float(self.timing.compute_ns[i]),
                memory_ns=float(self.timing.memory_ns[i]),
                dram_bytes=int(self.moved.total_bytes[i]),
                energy_mj=float(energy[i]),
                utilisation_ratio=float(ratio[i]),
                order=ORDERS[int(self.moved.order[i])] if shape.computes else "-",
                bound=BOUND_BY[int(self.timing.bound[i])],
            )
            for i, shape in enumerate(self.shapes)
        )

    def _latency_of(self, kind: str) -> float:
        return float(self.timing.latency_ns[self.table.is_kind(kind)].sum() * 1e-6)


def network_cost(
    layers: Sequence[LayerShape],
    board: Board,
    array: AnyArray | None = None,
    bits: int = 8,
    options: CostOptions | None = None,
) -> NetworkCost:
    """What one inference of a network costs on a board.

    Args:
        layers: The layers in the order of execution.
        board: DRAM, resources and energy constants.
        array: The accelerator; the board's own by default.
        bits: Word width of weights and activations.
        options: How the network is run; nothing stays on chip by default.

    Raises:
        CostModelError: No layers, a width out of range, a layer that cannot be tiled, or what
            the array cannot run.

    >>> from cgap_hw import LayerShape, load_board
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> cost = network_cost([head], load_board("zcu102"))
    >>> cost.macs, cost.layers[0].cycles, cost.layers[0].bound
    (5120, 512, 'compute')
    """
    if not 1 <= bits <= 32:
        raise CostModelError(f"bits must be 1 to 32, got {bits}")
    options = options or CostOptions()
    array = array or board.array
    array.refuse_on(board)
    array.refuse_work(layers, bits)
    table = LayerTable.of(layers)
    moved = array.traffic(table, board, bits)

    if options.resident_weights:
        moved = keep_weights(moved, table, board, array, bits)
    if options.resident_maps:
        moved = keep_maps(moved, layers, board, array, bits)

    timing = time_layers(table, moved, array, board.dram)
    energy = energy_table(table, moved, array, board, bits, timing.latency_ns)
    idle = board.energy.idle_w
    return NetworkCost(tuple(layers), bits, array, table, moved, timing, energy, idle)


def latency_ns(layers: Sequence[LayerShape], board: Board, **settings: Any) -> list[float]:
    """Latency of every layer alone, in ns; settings as for `network_cost`."""
    return [float(x) for x in network_cost(layers, board, **settings).timing.latency_ns]
