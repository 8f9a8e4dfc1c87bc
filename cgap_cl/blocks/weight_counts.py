"""Weights and multiply-adds of a block, at the widths it has or at those it would have."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.closure import closure
from cgap_cl.blocks.kinds import Kind, uses
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout

# a length that depends on widths: a constant, and (group, positions per unit) terms
Linear = tuple[int, tuple[tuple[str, int], ...]]


def count_positions(module: nn.Module, layout: Layout, example_input: Tensor) -> dict[str, int]:
    """Positions (height x width) per layer: uses of one weight in an inference."""
    counts: dict[str, int] = {}

    def note(layer: LayerLayout, module: nn.Module, x: Tensor, y: Tensor) -> None:
        counts[layer.name] = uses(module, x, y, layer.dim)

    probe = copy.deepcopy(module).eval()
    for layer in layout.layers:
        if layer.kind is not Kind.PARAMETER:
            probe.get_submodule(layer.name).register_forward_hook(
                lambda m, args, y, layer=layer: note(layer, m, args[0], y)
            )
    with torch.no_grad():
        probe(example_input)
    return counts


def reference_counts(module: nn.Module, layout: Layout) -> dict[str, int]:
    """Weights per conv and linear layer of the reference network."""
    weights = {
        layer.name: module.get_submodule(layer.name).weight
        for layer in layout.layers
        if layer.multiplies
    }
    return {name: weight.numel() for name, weight in weights.items()}  # type: ignore[operator]


def _terms(block: Block, layer: LayerLayout) -> tuple[int, Linear, Linear]:
    """Weights of one connection, and the numbers of outputs and inputs that it is between."""
    if not layer.dense:
        filters = block.body.get_submodule(layer.name).weight
        return filters[0].numel(), _linear(layer.inputs), (1, ())  # type: ignore[index]

    module = block.layer(layer.name)
    n_laterals = sum(len(lateral.index) for _, lateral in module.sources())
    fixed, n_in = _linear(layer.inputs)
    n_out = _linear(layer.outputs)
    if layer.name == block.layout.head:  # its outputs are classes, as many as this block has
        n_out = len(module.own.weight), ()
    return module.own.weight[0, 0].numel(), n_out, (fixed + n_laterals, n_in)


def pricer(
    block: Block, layout: Layout, factors: Mapping[str, int]
) -> Callable[[Mapping[str, int]], int]:
    """Widths -> the sum over conv and linear layers of weights times a factor, made to be fast.

    Laterals are included.

    Policies ask for the price of thousands of widths; the structure is read once, here.

    Args:
        block: the block; its laterals are fixed at their present lengths.
        layout: its layout.
        factors: per layer: positions for multiply-adds, 1 for weights.
    """
    layers = [
        (kernel * factors[layer.name], n_out, n_in)
        for layer in layout.layers
        if layer.multiplies
        for kernel, n_out, n_in in (_terms(block, layer),)
    ]
    return lambda widths: sum(
        factor * _length(n_out, widths) * _length(n_in, widths)
        for factor, n_out, n_in in layers
    )


def _length(linear: Linear, widths: Mapping[str, int]) -> int:
    fixed, terms = linear
    return fixed + sum(repeat * widths[group] for group, repeat in terms)


def _linear(axis: Axis) -> Linear:
    """Length of an axis as a constant plus (group, positions per unit) terms."""
    return axis.n_fixed, tuple(axis.positions_per_unit.items())


def elder_macs(
    blocks: Sequence[Block], layout: Layout, positions: Mapping[str, int], last: int
) -> int:
    """Multiply-adds of what the head of block ``last`` needs of the blocks before it."""
    bodies = {**positions, layout.head: 0}  # nobody reads their heads
    total = 0
    for index, units in closure(blocks, layout, last).items():
        if index != last:
            widths = {g: len(units.get(g, ())) for g in layout.widths}
            total += pricer(blocks[index], layout, bodies)(widths)
    return total


def executed_widths(blocks: Sequence[Block], layout: Layout, last: int) -> dict[str, int]:
    """Units per group that one inference of the head of block ``last`` runs, of all blocks."""
    needed = closure(blocks, layout, last)
    return {g: sum(len(units.get(g, ())) for units in needed.values()) for g in layout.widths}


def stored(blocks: Sequence[Block], layout: Layout, last: int) -> tuple[set[int], int]:
    """The blocks that the head of block ``last`` needs, and the parameters of that block."""
    needed = {last, *closure(blocks, layout, last)}
    return needed, sum(p.numel() for p in blocks[last].parameters())
