"""Which tensor axes share a unit: a network's layout, read off its dependency graph."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from cgap_cl.accept.forward_order import find_head, forward_order
from cgap_cl.accept.supported import check_layers, check_modules
from cgap_cl.accept.torch_pruning_1_6 import Side, coupled_groups
from cgap_cl.blocks.layout import (
    DENSE_KINDS,
    NORMS,
    Axis,
    LayerLayout,
    Layout,
    Segment,
    kind_of,
)
from cgap_cl.errors import UnsupportedNetworkError

Filled = Mapping[int, tuple[str, int]]  # position along an axis -> (group, unit) that fills it


def trace(module: nn.Module, example_input: Tensor, head: str | None = None) -> Layout:
    """Layout of a network.

    Args:
        module: the reference network; left untouched (a copy is traced).
        example_input: one batch, ``(N, C, H, W)`` or ``(N, features)``.
        head: name of the head; by default the last linear layer or 1x1 convolution.

    Raises:
        UnsupportedNetworkError: a layer mixes channels, is used twice, or is coupled in a way
            that cannot be described.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(32, 10))
    >>> layout = trace(network, torch.zeros(1, 3, 4, 4))
    >>> dict(layout.widths), layout.head
    ({'0': 8}, '2')
    >>> layout["2"].inputs  # every filter of layer 0 is a map of 2x2
    Axis(segments=(Segment(group='0', repeat=4),))
    """
    check_modules(module)
    probe = copy.deepcopy(module).eval()
    for parameter in probe.parameters():
        parameter.requires_grad_(True)

    order = forward_order(probe, example_input)
    check_layers(probe, order)
    head = find_head(probe, order, head)
    units = _units(probe, example_input, head)
    layers = tuple(_describe(name, probe.get_submodule(name), units, head) for name in order)

    axes = [axis for layer in layers for axis in (layer.inputs, layer.outputs)]
    used = {group for axis in axes for group in axis.positions_per_unit}
    widths = {group: width for group, width in units.widths.items() if group in used}
    if not widths:
        raise UnsupportedNetworkError(head, "it is the head, and nothing before it can grow")
    return Layout(layers=layers, widths=widths, head=head)


@dataclass(frozen=True)
class _Units:
    """Every group's width, and the unit that fills each position of each axis."""

    widths: Mapping[str, int]
    filled: Mapping[tuple[str, Side], Filled]


def _units(module: nn.Module, example_input: Tensor, head: str) -> _Units:
    """Name every coupled group after the first layer, in the module's order, that makes it."""
    names = [name for name, _ in module.named_modules()]
    widths: dict[str, int] = {}
    filled: dict[tuple[str, Side], dict[int, tuple[str, int]]] = {}

    for members in coupled_groups(module, example_input):
        producers = [member.layer for member in members if member.side is Side.OUTPUT]
        if not producers or head in producers:
            continue  # channels of the raw input, or classes: neither grows
        group = min(producers, key=names.index)
        widths[group] = len(
            members[0].units
        )  # the axis that makes the units: one position each
        for member in members:
            axis = filled.setdefault((member.layer, member.side), {})
            axis.update({position: (group, unit) for position, unit in member.units.items()})

    ordered = dict(sorted(widths.items(), key=lambda item: names.index(item[0])))
    return _Units(ordered, filled)


def _describe(name: str, layer: nn.Module, units: _Units, head: str) -> LayerLayout:
    """Layout of one layer."""
    kind = kind_of(layer)
    n_in, n_out = _sizes(layer)
    inputs = _axis(name, Side.INPUT, n_in, units)
    if kind not in DENSE_KINDS:
        if inputs.n_fixed:
            raise UnsupportedNetworkError(
                name, "a per-channel layer on the network's raw input"
            )
        return LayerLayout(name, kind, inputs, inputs)

    classes = Axis((Segment(None, n_out),))
    outputs = classes if name == head else _axis(name, Side.OUTPUT, n_out, units)
    if name != head and outputs.n_fixed:
        raise UnsupportedNetworkError(
            name, "its outputs are coupled to positions that no layer produces"
        )
    if inputs.n_fixed and inputs.positions_per_unit:
        raise UnsupportedNetworkError(
            name, "it reads the network's raw input and other layers at once"
        )
    return LayerLayout(name, kind, inputs, outputs)


def _sizes(layer: nn.Module) -> tuple[int, int]:
    """Input and output positions of a layer."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    assert isinstance(layer, NORMS)
    return layer.num_features, layer.num_features


def _axis(name: str, side: Side, length: int, units: _Units) -> Axis:
    """Compress an axis into segments.

    Raises:
        UnsupportedNetworkError: the units of a group are not laid out as one ascending run.
    """
    filled = units.filled.get((name, side), {})
    segments: list[Segment] = []
    position = 0
    while position < length:
        if position in filled:
            segment = _whole_group(filled, position, units.widths)
        else:  # fixed, up to the next position that a unit fills
            stop = next((p for p in range(position, length) if p in filled), length)
            segment = Segment(None, stop - position)
        if segment is None:
            raise UnsupportedNetworkError(
                name,
                f"its {side.value} positions do not follow the units of "
                f"'{filled[position][0]}' in order",
            )
        segments.append(segment)
        position += segment.length(units.widths)

    if position != length:  # beyond: a group's units fill more positions than there are
        raise UnsupportedNetworkError(
            name,
            f"its {length} {side.value} positions do not fit the units of "
            f"'{segments[-1].group}' (one channel broadcast over many, a size written in?)",
        )
    return Axis(tuple(segments))


def _whole_group(filled: Filled, start: int, widths: Mapping[str, int]) -> Segment | None:
    """The segment that begins at ``start``; None unless all units follow there in order."""
    group, _ = filled[start]
    repeat = 1
    while filled.get(start + repeat) == (group, 0):  # unit 0 shows how many positions each has
        repeat += 1
    ordered = [(group, unit) for unit in range(widths[group]) for _ in range(repeat)]
    run = [filled.get(start + i) for i in range(len(ordered))]
    return Segment(group, repeat) if run == ordered else None
