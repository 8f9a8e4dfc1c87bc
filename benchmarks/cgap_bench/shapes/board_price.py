"""Prices of the column that is learning, on a board: growth is steered by what it costs there.

`cgap_cl` asks for the price of thousands of widths. One trace of the subnetwork gives its
layers and how their channels depend on the widths of the column; costs of single layers are
then tabulated in tiles of widths, each by one call of the cost model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cgap_bench.errors import UsageError
from cgap_bench.shapes.rules import LayerJSON
from cgap_bench.shapes.tracing import layer_shapes
from cgap_cl import PlasticNetwork
from cgap_cl.blocks.layout import LayerLayout, Layout
from cgap_cl.decide.policy import Price
from cgap_hw import Board, CostModelError, LayerShape, load_board, network_cost
from cgap_hw.layers.table import LayerTable
from cgap_hw.price.energy import energy_table
from cgap_hw.price.timing import time_layers

Terms = dict[str, int]  # group -> channels per unit of the column
Values = npt.NDArray[np.float64]
TILE = 16  # widths a side of a table
BITS = 8


class Quantity(StrEnum):
    """What counts as the price of one inference."""

    LATENCY = "latency"
    ENERGY = "energy"
    DRAM = "dram-bytes"


@dataclass(frozen=True)
class Dependence:
    """A layer at the column's present widths, and its channels per unit of each group."""

    shape: LayerJSON
    inputs: Terms
    outputs: Terms

    def sizes(self, change: Mapping[str, int]) -> tuple[int, int]:
        """Input and output channels after a change of widths."""
        return (
            self.shape["n_in"] + sum(n * change.get(g, 0) for g, n in self.inputs.items()),
            self.shape["n_out"] + sum(n * change.get(g, 0) for g, n in self.outputs.items()),
        )

    def at(self, change: Mapping[str, int]) -> LayerJSON:
        """The layer after a change of widths."""
        n_in, n_out = self.sizes(change)
        groups = n_out if self.per_channel else self.shape["groups"]
        return {**self.shape, "n_in": n_in, "n_out": n_out, "groups": groups}

    @property
    def per_channel(self) -> bool:
        """Whether it is a depthwise convolution."""
        return bool(self.shape["groups"] > 1)


def dependences(network: PlasticNetwork, index: int, example: torch.Tensor) -> list[Dependence]:
    """Layers of the subnetwork of one block, with what each owes to the widths of that block.

    Args:
        network: The network.
        index: Of the block; older blocks that it reads are there at the widths they have.
        example: (1, ...), float.
    """
    module = network.block_network(index)
    layers = layer_shapes(module, example)
    found: list[Dependence] = []
    for layer in layers:
        described, own = _described(network.layout, layer["name"])
        if described is None:
            terms = _passed_on(layer, layers, found)
            found.append(Dependence(layer, terms, terms))
        elif own is not None and own < len(module.get_submodule(described.name).ops) - 1:  # type: ignore[arg-type]
            found.append(Dependence(layer, {}, {}))  # an older block's part
        else:
            inputs, outputs = (
                described.inputs,
                described.outputs,
            )  # the head's outputs are fixed
            found.append(
                Dependence(layer, inputs.positions_per_unit, outputs.positions_per_unit)
            )
    return found


def _described(layout: Layout, name: str) -> tuple[LayerLayout | None, int | None]:
    """The layer of that name, and which of several operations side by side it is."""
    for layer in layout.layers:
        if name == layer.name:
            return layer, None
        if name.startswith(f"{layer.name}.ops."):
            return layer, int(name.rpartition(".")[2])
    return None, None


def _passed_on(
    layer: LayerJSON, layers: Sequence[LayerJSON], found: Sequence[Dependence]
) -> Terms:
    """Terms of a pass over what others made: of as many sources as its channels come from."""
    terms: Terms = {}
    channels = 0
    for source in layer["inputs"]:
        if channels >= layer["n_in"]:
            break  # a sum or a product: the other operand has the same channels
        if source >= 0:
            channels += layers[source]["n_out"]
            for group, n in found[source].outputs.items():
                terms[group] = terms.get(group, 0) + n
    return terms


@dataclass
class _Tabulated:
    """Cost of one layer by its channels."""

    layer: Dependence
    cost: Callable[[LayerTable], Values]
    tiles: dict[tuple[int, int], Values] = field(default_factory=dict)

    @cached_property
    def table(self) -> LayerTable:
        """The layer as it is, a table of one row."""
        return LayerTable.of([LayerShape(**self.layer.shape)])

    @property
    def square(self) -> bool:
        """Whether it has as many output as input channels at any width."""
        return self.layer.shape["kind"] not in ("conv", "linear") or self.layer.per_channel

    def __call__(self, change: Mapping[str, int]) -> float:
        """The layer's cost after a change of widths."""
        n_in, n_out = self.layer.sizes(change)
        key = (n_in // TILE, n_out // TILE)
        if key not in self.tiles:
            self.tiles[key] = self._tile(*key)
        return float(self.tiles[key][n_in % TILE, n_out % TILE])

    def _tile(self, row: int, column: int) -> Values:
        """Costs of TILE x TILE widths."""
        n_in, n_out = np.meshgrid(
            *(TILE * k + np.arange(TILE, dtype=np.float64) for k in (row, column)),
            indexing="ij",
        )
        n_in, n_out = np.maximum(n_in, 1).ravel(), np.maximum(n_out, 1).ravel()
        if self.square:
            n_in = n_out
        copies = {
            name: np.repeat(getattr(self.table, name), n_out.size)
            for name in self.table.__dataclass_fields__
        }
        copies |= {"n_if": n_in, "n_of": n_out}
        if self.layer.per_channel:
            copies["groups"] = n_out
        return self.cost(replace(self.table, **copies)).reshape(TILE, TILE)


class BoardPrice:
    """A price factory of `cgap_cl`: cost on a board as a share of the reference network's.

    Args:
        quantity: What is priced.
        board: Name of a board, or a TOML file.
        example: (1, ...), one input.
    """

    def __init__(self, quantity: Quantity, board: str, example: torch.Tensor) -> None:
        self.quantity = quantity
        self.board: Board = load_board(board)
        self.example = example
        self._known: tuple[Any, Price] | None = None

    def __call__(self, network: PlasticNetwork) -> Price:
        """The price of the present column; traced again only when what it reads has changed."""
        index = len(network.blocks) - 1
        reads = [
            (layer.name, source, tuple(lateral.index.tolist()))
            for layer in network.block(index).plastic()
            for source, lateral in layer.sources()
        ]
        key = id(network), index, reads
        if self._known is None or self._known[0] != key:
            self._known = key, self._price(network, index)
        return self._known[1]

    def _price(self, network: PlasticNetwork, index: int) -> Price:
        layers = [_Tabulated(d, self._cost) for d in self._layers(network, index)]
        start = dict(network.block(index).widths)
        fixed = sum(x({}) for x in layers if not (x.layer.inputs or x.layer.outputs))
        moving = [x for x in layers if x.layer.inputs or x.layer.outputs]
        full = self._reference(network)

        def price(widths: Mapping[str, int]) -> float:
            change = {group: n - start[group] for group, n in widths.items()}
            return (fixed + sum(layer(change) for layer in moving)) / full

        return price

    def _layers(self, network: PlasticNetwork, index: int) -> list[Dependence]:
        found = dependences(network, index, self.example)
        whole = network_cost([LayerShape(**d.shape) for d in found], self.board, bits=BITS)
        table = LayerTable.of(whole.shapes)
        if not np.isclose(self._cost(table).sum(), self._of(whole), rtol=1e-6):
            raise UsageError(
                f"the array of {self.board.name} is not priced layer by layer; choose another "
                "board"
            )
        return found

    def _reference(self, network: PlasticNetwork) -> float:
        """Cost of the reference: the first block, which reads no other, at full width."""
        widths = network.block(0).widths
        change = {group: n - widths[group] for group, n in network.layout.widths.items()}
        layers = dependences(network, 0, self.example)
        shapes = [LayerShape(**layer.at(change)) for layer in layers]
        return float(self._cost(LayerTable.of(shapes)).sum())

    def _of(self, whole: Any) -> float:
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
        latency = time_layers(table, moved, array, board).latency_ns
        if self.quantity is Quantity.LATENCY:
            return np.asarray(latency)
        energy = energy_table(table, moved, array, board, (BITS, latency))
        return np.asarray(energy.per_layer()[1])
