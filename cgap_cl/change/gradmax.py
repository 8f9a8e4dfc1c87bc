"""GradMax: newborns whose outgoing weights make the gradient of their incoming ones largest.

After Evci et al. (ICLR 2022): incoming weights zero, outgoing weights the top left singular
vectors of ``M = E[dL/dz h^T]``, ``h`` what the units' producers read and ``dL/dz`` the gradient
of what their consumers give. Both come from the last batch before the growth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.index_maps import UnitMap, positions
from cgap_cl.blocks.layout import LayerLayout
from cgap_cl.blocks.observing import LastBatch
from cgap_cl.change.directions import Directions, Parts, find_directions, norms_of
from cgap_cl.change.newborn import FanOut


@dataclass(frozen=True)
class GradMax:
    """Outgoing weights that maximise the gradient of the incoming ones.

    Deviations from the paper. 1. Incoming weights are not zero but ``nudge`` times a step down
    their gradient, since the gradient of torch's ReLU at zero is zero and a newborn without any
    input would stay dead; ``nudge=0`` is the paper's, for smooth activations. 2. In front of
    batch norm, which undoes any scale, the incoming weights have full size and the norm's
    scale is ``nudge``. 3. What lies between the layers counts as linear: pooling as average
    pooling, a depthwise convolution as no change. 4. A unit with several producers or consumers
    (residual sums, concat) gets the singular vectors of all blocks of M together.

    Where no batch was noted (:meth:`observe`), newborns are copies of their parents that
    nothing reads.

    Attributes:
        nudge: size of a newborn's first output, as a share of that of other units.
    """

    nudge: float = 0.01
    fan_out: FanOut = FanOut.ZERO

    def __post_init__(self) -> None:
        if self.nudge < 0:
            raise ValueError(f"nudge cannot be negative, not {self.nudge}")

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """The parents' weights, until :meth:`prepare` has its way."""
        return copies

    def observe(self, column: Block) -> LastBatch:
        """Note what each layer reads and the gradient of what it gives."""
        return LastBatch(column)

    def prepare(
        self,
        column: Block,
        units: Mapping[str, UnitMap],
        batch: LastBatch | None,
        generator: torch.Generator,
    ) -> Callable[[Block], None]:
        """Read directions off the last batch; returns what writes them after the change."""
        found: dict[str, Directions] = {}
        for group, n in {group: sum(change.newborn) for group, change in units.items()}.items():
            if n and batch is not None:
                directions = find_directions(column, batch, group, n, generator)
                found |= {} if directions is None else {group: directions}

        widths = dict(column.widths)  # the column is changed in place before `place` is called

        def place(changed: Block) -> None:
            for group, directions in found.items():
                moved = Directions(
                    _moved(directions.outgoing, changed, widths, units, "outputs"),
                    _moved(directions.incoming, changed, widths, units, "inputs"),
                    directions.moments,
                )
                born = torch.tensor(units[group].newborn)
                _Writer(changed, group, born, self.nudge).write(moved)

        return place


def _moved(
    parts: Parts,
    column: Block,
    widths: Mapping[str, int],
    units: Mapping[str, UnitMap],
    side: str,
) -> Parts:
    """Directions of the old shape in the new one: newborns at the other end count zero."""
    moved = {}
    for name, part in parts.items():
        layer = column.layout[name]
        if side == "outputs" and name == column.layout.head:
            moved[name] = part
            continue
        source, born = positions(getattr(layer, side), widths, units)
        old = part.index_select(1, source.to(part.device))
        moved[name] = old.index_fill(1, born.nonzero().flatten().to(part.device), 0)
    return moved


@dataclass(frozen=True)
class _Writer:
    """Writes the values of one group's newborns into a column that has changed."""

    column: Block
    group: str
    born: Tensor
    nudge: float

    def write(self, directions: Directions) -> None:
        norms = norms_of(self.column, self.group)
        small = bool(norms) and self._all_normed(norms, directions.incoming)
        outgoing = 1.0 if small or not norms else self.nudge
        self._outgoing(directions.outgoing, outgoing)
        self._incoming(directions.incoming, 1.0 if norms else self.nudge, directions.moments)
        for norm in norms:
            self._norm(norm)

    def _all_normed(self, norms: Sequence[LayerLayout], producers: Parts) -> bool:
        """Whether every way from a producer to a consumer leads through a scale of a norm."""
        scaled = [norm for norm in norms if self.module(norm).weight is not None]
        return len(scaled) == len(norms) >= len(producers)

    def _outgoing(self, parts: Parts, size: float) -> None:
        """As long as those of other units, times ``size``."""
        views = [self._columns(self.column.layout[name]) for name in parts]
        others = [view.movedim(1, 0)[~self.born].flatten(1) for view in views]
        length = size * float(torch.cat(others, dim=1).norm(dim=1).mean())
        for view, part in zip(views, parts.values(), strict=True):
            fresh = part.movedim(0, 1)
            view[:, self.born] = length * fresh.reshape(view[:, self.born].shape).to(view)

    def _columns(self, layer: LayerLayout) -> Tensor:
        """The weights that read the group: (out, units, positions per unit, ...), a view."""
        weight = self.column.layer(layer.name).own.weight.data
        for segment, start, stop in layer.inputs.spans(self.column.widths):
            if segment.group == self.group:
                view: Tensor = weight[:, start:stop].unflatten(1, (-1, segment.repeat))
                return view
        raise AssertionError(f"'{layer.name}' does not read '{self.group}'")

    def _incoming(
        self, parts: Parts, size: float, moments: tuple[Tensor, Tensor] | None
    ) -> None:
        """As long as those of other units, times ``size``; no bias, no lateral input."""
        layers = [self.column.layer(name) for name in parts]
        others = [layer.own.weight[~self.born].flatten(1) for layer in layers]
        length = size * float(torch.cat(others, dim=1).norm(dim=1).mean())
        for layer, part in zip(layers, parts.values(), strict=True):
            layer.own.weight[self.born] = length * part.to(layer.own.weight)
            if layer.own.bias is not None:
                layer.own.bias[self.born] = 0
            for _, lateral in layer.sources():
                lateral.op.weight[self.born] = 0
        if moments is not None:
            self._statistics(length * moments[0], length**2 * moments[1])

    def _statistics(self, mean: Tensor, variance: Tensor) -> None:
        """What batch norm would have seen of the newborns."""
        for layer in norms_of(self.column, self.group):
            for name, values in (("running_mean", mean), ("running_var", variance)):
                for part in self._channels(layer, name):
                    part[self.born] = values.to(part)

    def _norm(self, layer: LayerLayout) -> None:
        """A small scale, no shift."""
        for weight in self._channels(layer, "weight"):
            weight[self.born] = self.nudge * weight[~self.born].abs().mean()
        for bias in self._channels(layer, "bias"):
            bias[self.born] = 0

    def _channels(self, layer: LayerLayout, name: str) -> Iterator[Tensor]:
        """The group's part of a norm's vector, a view, wherever a unit is one channel."""
        vector = getattr(self.module(layer), name)
        if vector is None:
            return
        for segment, start, stop in layer.inputs.spans(self.column.widths):
            if segment.group == self.group and segment.repeat == 1:
                yield vector.data[start:stop]

    def module(self, layer: LayerLayout) -> nn.Module:
        return self.column.body.get_submodule(layer.name)
