"""Which layers of a subnetwork change with the widths of the column, and by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn

from cgap_bench.shapes.rules import LayerJSON
from cgap_bench.shapes.tracing import layer_shapes
from cgap_cl import PlasticNetwork
from cgap_cl.blocks.layout import LayerLayout, Layout

Terms: TypeAlias = dict[str, int]  # group -> channels per unit of the column


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
        elif own is not None and own < _n_side_by_side(module, described) - 1:
            found.append(Dependence(layer, {}, {}))  # an older block's part
        else:
            inputs = described.inputs.positions_per_unit
            # The head's outputs are classes: no group, and so no term.
            found.append(Dependence(layer, inputs, described.outputs.positions_per_unit))
    return found


def _described(layout: Layout, name: str) -> tuple[LayerLayout | None, int | None]:
    """The layer of that name, and which of several operations side by side it is."""
    for layer in layout.layers:
        if name == layer.name:
            return layer, None
        if name.startswith(f"{layer.name}.ops."):
            return layer, int(name.rpartition(".")[2])
    return None, None


def _n_side_by_side(module: nn.Module, described: LayerLayout) -> int:
    """Operations of one layer, of which the last is the block's own."""
    operations: Any = module.get_submodule(described.name).ops
    return len(operations)


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
