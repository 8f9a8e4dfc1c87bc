"""Layout: what the axes of every layer are made of, as plain values.

Every axis that grows or shrinks is a sequence of :class:`Segment`. A segment is a run of all
units of one group, each unit filling ``repeat`` neighbouring positions (1 after a convolution,
16 after flattening 4x4 maps). The description holds at any width, so a network is traced once.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn


class Kind(enum.Enum):
    """How a layer treats its units."""

    CONV = "conv"  # every output unit reads every input unit
    LINEAR = "linear"
    DEPTHWISE = "depthwise"  # per-channel convolution: output units are the input units
    NORM = "norm"  # batch normalisation: per channel as well


DENSE_KINDS = (Kind.CONV, Kind.LINEAR)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


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


Axis = tuple[Segment, ...]


def axis_length(axis: Axis, widths: Mapping[str, int]) -> int:
    """Number of positions of an axis at the given widths."""
    return sum(segment.length(widths) for segment in axis)


@dataclass(frozen=True)
class LayerLayout:
    """One layer: what its input and output axes are made of (equal for per-channel layers)."""

    name: str
    kind: Kind
    inputs: Axis
    outputs: Axis

    @property
    def dense(self) -> bool:
        """True where every output reads every input: such layers may have lateral inputs."""
        return self.kind in DENSE_KINDS

    @property
    def raw(self) -> bool:
        """True where the layer reads the network's input, which all blocks share."""
        return self.dense and any(segment.group is None for segment in self.inputs)


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
            layer for layer in self.layers
            if layer.dense and any(segment.group == group for segment in layer.outputs)
        )  # fmt: skip

    def leading(self, n: int) -> tuple[str, ...]:
        """At most ``n`` first groups that convolutions make of the input and one another."""
        chosen: list[str] = []
        for group in self.widths:
            producers = self.producers(group)
            reads = {s.group for layer in producers for s in layer.inputs}
            convolved = all(layer.kind is Kind.CONV for layer in producers)
            if len(chosen) == n or not convolved or not reads <= {None, *chosen}:
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
