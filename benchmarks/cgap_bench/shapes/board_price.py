"""Prices of the column that is learning, on a board: growth is steered by what it costs there.

`cgap_cl` asks for the price of thousands of widths. One trace of the subnetwork gives its
layers and how their channels depend on the widths of the column (`dependence.py`); costs of
single layers are then tabulated (`tabulated_cost.py`), so that a price is a sum of look-ups.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch

from cgap_bench.errors import UsageError
from cgap_bench.shapes.dependence import Dependence, dependences
from cgap_bench.shapes.tabulated_cost import TabulatedCost, Values
from cgap_cl import PlasticNetwork
from cgap_cl.decide.policy import Price
from cgap_hw import Board, CostModelError, LayerShape, NetworkCost, load_board, network_cost
from cgap_hw.arrays import Streaming
from cgap_hw.layers.table import LayerTable
from cgap_hw.price.energy import energy_table
from cgap_hw.price.timing import time_layers

BITS = 8


class Quantity(StrEnum):
    """What counts as the price of one inference."""

    LATENCY = "latency"
    ENERGY = "energy"
    DRAM = "dram-bytes"


@dataclass(frozen=True)
class _Traced:
    """A price, and what it was traced from: it holds as long as that is the same."""

    network: PlasticNetwork
    index: int
    reads: list[tuple[str, int, tuple[int, ...]]]
    price: Price

    def holds(self, network: PlasticNetwork, index: int, reads: list[Any]) -> bool:
        """Whether the block still reads what it read."""
        same = self.network is network and self.index == index
        return same and self.reads == reads


class BoardPrice:
    """A price factory of `cgap_cl`: cost on a board as a share of the reference network's.

    Args:
        quantity: What is priced.
        board: Name of a board, or a TOML file.
        example: (1, ...), one input.

    Raises:
        UsageError: A streaming array, whose layers have no price of their own.
    """

    def __init__(self, quantity: Quantity, board: str, example: torch.Tensor) -> None:
        self.quantity = quantity
        self.board: Board = load_board(board)
        # Its engines share the multipliers: what a layer takes depends on all the others.
        if isinstance(self.board.array, Streaming):
            raise self._no_layers()
        self.example = example
        self._traced: _Traced | None = None

    def __call__(self, network: PlasticNetwork) -> Price:
        """The price of the present column; traced again only when what it reads has changed."""
        index = len(network.blocks) - 1
        reads = [
            (layer.name, source, tuple(lateral.index.tolist()))
            for layer in network.block(index).plastic()
            for source, lateral in layer.sources()
        ]
        if self._traced is None or not self._traced.holds(network, index, reads):
            self._traced = _Traced(network, index, reads, self._price(network, index))
        return self._traced.price

    def _price(self, network: PlasticNetwork, index: int) -> Price:
        """The price as a function of widths: fixed layers once, the others looked up."""
        layers = [TabulatedCost(d, self._cost) for d in self._layers(network, index)]
        start = dict(network.block(index).widths)
        fixed = sum(x({}) for x in layers if not (x.layer.inputs or x.layer.outputs))
        moving = [x for x in layers if x.layer.inputs or x.layer.outputs]
        full = self._reference(network)

        def price(widths: Mapping[str, int]) -> float:
            change = {group: n - start[group] for group, n in widths.items()}
            return (fixed + sum(layer(change) for layer in moving)) / full

        return price

    def _layers(self, network: PlasticNetwork, index: int) -> list[Dependence]:
        """The subnetwork's layers, if what they cost adds up to what the network costs."""
        found = dependences(network, index, self.example)
        whole = network_cost([LayerShape(**d.shape) for d in found], self.board, bits=BITS)
        table = LayerTable.of(whole.shapes)
        if not np.isclose(self._cost(table).sum(), self._of(whole), rtol=1e-6):
            raise self._no_layers()
        return found

    def _no_layers(self) -> UsageError:
        return UsageError(
            f"the array of {self.board.name} is not priced layer by layer; choose another board"
        )

    def _reference(self, network: PlasticNetwork) -> float:
        """Cost of the reference: the first block, which reads no other, at full width."""
        widths = network.block(0).widths
        change = {group: n - widths[group] for group, n in network.layout.widths.items()}
        layers = dependences(network, 0, self.example)
        shapes = [LayerShape(**layer.at(change)) for layer in layers]
        return float(self._cost(LayerTable.of(shapes)).sum())

    def _of(self, whole: NetworkCost) -> float:
        """The quantity of a whole network."""
        if self.quantity is Quantity.LATENCY:
            return float(whole.timing.network_ns)
        return float(
            whole.energy_mj.mid if self.quantity is Quantity.ENERGY else whole.dram_bytes
        )

    def _cost(self, table: LayerTable) -> Values:
        """Cost of every layer of a table; the fixed cost of a call is nobody's choice."""
        board, array = self.board, self.board.array
        try:
            moved = array.traffic(table, board, BITS)
        except CostModelError as error:
            raise UsageError(f"{board.name} cannot run such a layer: {error}") from error
        if self.quantity is Quantity.DRAM:
            return np.asarray(moved.total_bytes, dtype=np.float64)
        latency = time_layers(table, moved, array, board.dram).latency_ns
        if self.quantity is Quantity.LATENCY:
            return np.asarray(latency)
        energy = energy_table(table, moved, array, board, BITS, latency)
        return np.asarray(energy.per_layer()[1])
