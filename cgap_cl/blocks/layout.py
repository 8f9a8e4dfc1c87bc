"""Layout: what the axes of every layer are made of, as plain values.

Every axis that grows or shrinks is a sequence of :class:`Segment`. A segment is a run of all
units of one group, each unit filling ``repeat`` neighbouring positions (1 after a convolution,
16 after flattening 4x4 maps). The description holds at any width, so a network is traced once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cgap_cl.blocks.kinds import DENSE_KINDS, Kind


@dataclass(frozen=True)
class Segment:
    """All units of ``group``, each filling ``repeat`` positions.

    ``group=None``: that many fixed positions (raw input, classes).
    """

    group: str | None
    repeat: int

    def length(self, widths: Mapping[str, int]) -> int:
        """Number of positions at the given widths (units per group)."""
        return self.repeat if self.group is None else self.repeat * widths[self.group]

    def positions(self, start: int, units: Tensor) -> Tensor:
        """Positions that units fill, int64, where the segment itself begins at ``start``."""
        within = torch.arange(self.repeat, device=units.device)
        return (start + units[:, None] * self.repeat + within).flatten()


class Owner(NamedTuple):
    """Whose one position of an axis is: number of the segment, unit, place within the unit."""

    segment: int
    group: str
    unit: int
    offset: int


@dataclass(frozen=True)
class Axis:
    """One axis of a layer's tensors: its segments, one behind the other."""

    segments: tuple[Segment, ...]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @property
    def n_fixed(self) -> int:
        """Positions that belong to no group."""
        return sum(segment.repeat for segment in self if segment.group is None)

    @property
    def positions_per_unit(self) -> dict[str, int]:
        """Positions that a unit of each group fills, in all segments of the group together."""
        counts: dict[str, int] = {}
        for segment in self:
            if segment.group is not None:
                counts[segment.group] = counts.get(segment.group, 0) + segment.repeat
        return counts

    def length(self, widths: Mapping[str, int]) -> int:
        """Number of positions at the given widths."""
        return sum(segment.length(widths) for segment in self)

    def spans(self, widths: Mapping[str, int]) -> Iterator[tuple[Segment, int, int]]:
        """``(segment, start, stop)`` of every segment at the given widths, in order."""
        start = 0
        for segment in self:
            stop = start + segment.length(widths)
            yield segment, start, stop
            start = stop

    def owners(self, widths: Mapping[str, int]) -> list[Owner]:
        """The owner of every position of an axis without fixed positions."""
        assert not self.n_fixed
        return [
            Owner(number, str(segment.group), unit, offset)
            for number, segment in enumerate(self)
            for unit in range(segment.length(widths) // segment.repeat)
            for offset in range(segment.repeat)
        ]


@dataclass(frozen=True)
class LayerLayout:
    """One layer, or bare parameter: what its axes are made of.

    Attributes:
        name: in the network.
        kind: how it treats its units.
        inputs: axis of what it reads.
        outputs: axis of what it gives; equal but for dense layers.
        dim: the dimension that the units are along in what it reads and gives: -1 where they
            come last, behind places.
    """

    name: str
    kind: Kind
    inputs: Axis
    outputs: Axis
    dim: int = 1

    @property
    def dense(self) -> bool:
        """True where every output reads every input: such layers may have lateral inputs."""
        return self.kind in DENSE_KINDS

    @property
    def multiplies(self) -> bool:
        """True for convolutions and linear layers, whose multiply-adds and weights count."""
        return self.dense or self.kind is Kind.GROUPED

    @property
    def raw(self) -> bool:
        """True where the layer reads the network's input, which all blocks share."""
        return self.dense and self.inputs.n_fixed > 0


@dataclass(frozen=True)
class Layout:
    """The layers in forward order, the reference width of each group, and the head's name."""

    layers: tuple[LayerLayout, ...]
    widths: Mapping[str, int]
    head: str

    def __getitem__(self, name: str) -> LayerLayout:
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of all groups, in forward order of their first producer."""
        return tuple(self.widths)

    @property
    def lateral_names(self) -> tuple[str, ...]:
        """Layers that may read older blocks: dense, and not fed by the raw input."""
        return tuple(layer.name for layer in self.layers if layer.dense and not layer.raw)

    def producers(self, group: str) -> tuple[LayerLayout, ...]:
        """Dense layers whose outputs are units of ``group``."""
        return tuple(
            layer
            for layer in self.layers
            if layer.dense and group in layer.outputs.positions_per_unit
        )

    def normed_with(self, group: str) -> set[str]:
        """Groups that some layer normalises over together with one, that one included."""
        over = (layer for layer in self.layers if layer.kind is Kind.BLOCK)
        axes = [layer.inputs.positions_per_unit for layer in over]
        return {mate for axis in axes if group in axis for mate in axis}

    def leading(self, n: int) -> tuple[str, ...]:
        """At most ``n`` first groups that convolutions make of the input and one another."""
        chosen: list[str] = []
        for group in self.widths:
            producers = self.producers(group)
            reads = {s.group for layer in producers for s in layer.inputs}
            convolved = all(layer.kind is Kind.CONV for layer in producers)
            if len(chosen) == n or not convolved or not reads <= {None, *chosen}:
                break
            if self.normed_with(group):  # what a block does not own it cannot norm
                break
            chosen.append(group)
        return tuple(chosen)

    def scaled(self, ratio: float) -> dict[str, int]:
        """Uniformly scaled widths: ``max(1, round(ratio * width))`` units per group."""
        return {group: max(1, round(ratio * width)) for group, width in self.widths.items()}

    def shaped(self, conv: float, linear: float) -> dict[str, int]:
        """Widths scaled by kind: groups made by a convolution, groups made by linear layers."""
        kinds = {g: {p.kind for p in self.producers(g)} for g in self.widths}
        ratios = {g: linear if kinds[g] == {Kind.LINEAR} else conv for g in self.widths}
        return {g: max(1, round(ratios[g] * width)) for g, width in self.widths.items()}
