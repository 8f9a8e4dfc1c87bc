"""Which tensor axes share a unit: a network's layout, read off its dependency graph."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from cgap_cl.accept.forward_order import Reading, find_head, forward_order
from cgap_cl.accept.parameters import bare_parameters
from cgap_cl.accept.supported import check_layers, check_modules
from cgap_cl.accept.torch_pruning_1_6 import Group, Side, coupled_groups
from cgap_cl.blocks.kinds import CONVOLUTIONS, DENSE_KINDS, channels_per_group, kind_of
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout, Segment
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
    units = _units(probe, example_input, order, head)
    layers = [_describe(name, probe, reading, units, head) for name, reading in order.items()]
    layers += bare_parameters(probe, example_input, tuple(layers), units.widths)

    axes = [axis for layer in layers for axis in (layer.inputs, layer.outputs)]
    used = {group for axis in axes for group in axis.positions_per_unit}
    widths = {group: width for group, width in units.widths.items() if group in used}
    if not widths:
        raise UnsupportedNetworkError(head, "it is the head, and nothing before it can grow")
    return Layout(layers=tuple(layers), widths=widths, head=head)


@dataclass(frozen=True)
class _Units:
    """Every group's width, and the unit that fills each position of each axis."""

    widths: Mapping[str, int]
    filled: Mapping[tuple[str, Side], Filled]


def _units(
    module: nn.Module, example_input: Tensor, order: Mapping[str, Reading], head: str
) -> _Units:
    """Name every coupled group after the first layer, in the module's order, that makes it."""
    names = [name for name, _ in module.named_modules()]
    widths: dict[str, int] = {}
    filled: dict[tuple[str, Side], dict[int, tuple[str, int]]] = {}

    for members in coupled_groups(module, example_input, order):
        producers = [member.layer for member in members if member.side is Side.OUTPUT]
        if not producers or head in producers:
            continue  # channels of the raw input, or classes: neither grows
        group = min(producers, key=names.index)
        size = _channels_per_unit(module, members)
        # the axis that makes the units: as many positions each as channels belong together
        widths[group] = len(members[0].units) // size
        for member in members:
            axis = filled.setdefault((member.layer, member.side), {})
            axis.update({p: (group, unit // size) for p, unit in member.units.items()})

    ordered = dict(sorted(widths.items(), key=lambda item: names.index(item[0])))
    return _Units(ordered, filled)


def _channels_per_unit(module: nn.Module, members: Group) -> int:
    """Channels that are one unit: those that a grouped convolution or norm holds together.

    Raises:
        UnsupportedNetworkError: its groups lie across what different layers make.
    """
    size = 1
    for member in members:
        layer = module.get_submodule(member.layer)
        own = channels_per_group(layer)
        size = math.lcm(size, own)
        if own > 1 and len(members[0].units) % size:
            raise UnsupportedNetworkError(
                member.layer,
                f"its groups of {own} channels do not fit the {len(members[0].units)} that "
                f"'{members[0].layer}' makes",
            )
    return size


def _describe(
    name: str, module: nn.Module, reading: Reading, units: _Units, head: str
) -> LayerLayout:
    """Layout of one layer."""
    layer = module.get_submodule(name)
    kind = kind_of(layer)
    inputs = _axis(name, Side.INPUT, reading.n, units)
    if kind not in DENSE_KINDS:
        if inputs.n_fixed:
            raise UnsupportedNetworkError(
                name, "a per-channel layer on the network's raw input"
            )
        return LayerLayout(name, kind, inputs, inputs, reading.dim)

    n_out = layer.out_channels if isinstance(layer, CONVOLUTIONS) else layer.out_features
    assert isinstance(n_out, int)
    classes = Axis((Segment(None, n_out),))
    outputs = classes if name == head else _axis(name, Side.OUTPUT, n_out, units)
    if name != head and outputs.n_fixed:
        raise UnsupportedNetworkError(
            name, "its outputs are coupled to positions that no layer produces"
        )
    if inputs.n_fixed and inputs.positions_per_unit:
        places = "it reads along places, where a linear layer must read channels, last"
        both = "it reads the network's raw input and other layers at once"
        raise UnsupportedNetworkError(name, places if reading.dim == -1 else both)
    return LayerLayout(name, kind, inputs, outputs, reading.dim)


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
