"""Index maps: where every unit and every position of a tensor comes from after a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cgap_cl.blocks.layout import Axis


@dataclass(frozen=True)
class UnitMap:
    """Where each unit of a group comes from after a change.

    Attributes:
        source: old index of each new unit (for a newborn: its parent's).
        newborn: whether that unit was born in this change.
    """

    source: tuple[int, ...]
    newborn: tuple[bool, ...]


class PositionMap(NamedTuple):
    """Where each position of an axis comes from after a change.

    Attributes:
        source: int64, old position of each new one.
        newborn: bool, whether a newborn fills it.
    """

    source: Tensor
    newborn: Tensor

    def gather(self, tensor: Tensor, dim: int) -> Tensor:
        """``new[i] = old[source[i]]`` along one dimension; what is kept keeps its bits."""
        return tensor.index_select(dim, self.source.to(tensor.device))


@dataclass(frozen=True, eq=False)
class TensorChange:
    """One tensor that was replaced: ``new[i] = old[source[i]]`` along each axis named.

    Attributes:
        name: the parameter's name inside the column.
        old: the tensor before.
        new: the tensor after, the one that is alive.
        axes: dimension -> where its positions come from.
    """

    name: str
    old: Tensor
    new: Tensor
    axes: Mapping[int, PositionMap]

    def carry(self, values: Tensor, newborn: float | None = 0.0) -> Tensor:
        """Bring values of the old shape (a moment, an importance) to the new shape.

        Args:
            values: a tensor of the old shape.
            newborn: value of entries that belong to a newborn; None leaves the parent's.
        """
        fresh = torch.zeros((), dtype=torch.bool, device=values.device)
        for dim, moved in self.axes.items():
            values = moved.gather(values, dim)
            shape = [1] * values.dim()
            shape[dim] = -1
            # a weight from or to a newborn is new: the union of rows and columns
            fresh = fresh | moved.newborn.to(values.device).view(shape)
        return values if newborn is None else values.masked_fill(fresh, newborn)


@dataclass(frozen=True, eq=False)
class IndexMap:
    """What a plan did: old unit -> new unit per group, and old tensor -> new tensor."""

    units: Mapping[str, UnitMap]
    tensors: tuple[TensorChange, ...]


def positions(
    axis: Axis, widths: Mapping[str, int], maps: Mapping[str, UnitMap]
) -> PositionMap:
    """The change of an axis that follows from those of its groups.

    Args:
        axis: the segments of the axis.
        widths: units per group before the change.
        maps: the change of each group; a group that is missing does not change.

    >>> from cgap_cl.blocks.layout import Segment
    >>> axis = Axis((Segment("conv1", 2),))  # each filter a map of two pixels
    >>> change = UnitMap(source=(1, 1), newborn=(False, True))  # unit 0 goes, 1 is a parent
    >>> source, newborn = positions(axis, {"conv1": 2}, {"conv1": change})
    >>> source.tolist(), newborn.tolist()
    ([2, 3, 2, 3], [False, False, True, True])
    """
    sources: list[Tensor] = []
    births: list[Tensor] = []
    for segment, start, stop in axis.spans(widths):
        change = None if segment.group is None else maps.get(segment.group)
        if change is None:
            sources.append(torch.arange(start, stop))
            births.append(torch.zeros(stop - start, dtype=torch.bool))
        else:
            units = torch.tensor(change.source, dtype=torch.int64)
            newborn = torch.tensor(change.newborn, dtype=torch.bool)
            sources.append(segment.positions(start, units))
            births.append(newborn.repeat_interleave(segment.repeat))
    return PositionMap(torch.cat(sources), torch.cat(births))
