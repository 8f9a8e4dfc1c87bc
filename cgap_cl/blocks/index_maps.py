"""Index maps: where every unit and every position of a tensor comes from after a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

    @classmethod
    def identity(cls, width: int) -> UnitMap:
        """The map that changes nothing."""
        return cls(tuple(range(width)), (False,) * width)

    @property
    def changes(self) -> bool:
        """False only if no unit was born; units may still have gone, which the width tells."""
        return any(self.newborn)

    def multiplicity(self) -> tuple[int, ...]:
        """For each new unit, how many new units share its source (1: it did not split)."""
        count: dict[int, int] = {}
        for source in self.source:
            count[source] = count.get(source, 0) + 1
        return tuple(count[source] for source in self.source)


@dataclass(frozen=True, eq=False)
class TensorChange:
    """One tensor that was replaced: ``new[i] = old[positions[i]]`` along each axis named.

    Attributes:
        name: the parameter's name inside the column.
        old: the tensor before.
        new: the tensor after, the one that is alive.
        axes: axis -> (positions, newborn), two tensors of the new length: int64 and bool.
    """

    name: str
    old: Tensor
    new: Tensor
    axes: Mapping[int, tuple[Tensor, Tensor]]

    def carry(self, values: Tensor, newborn: float | None = 0.0) -> Tensor:
        """Bring values of the old shape (a moment, an importance) to the new shape.

        Args:
            values: a tensor of the old shape.
            newborn: value of entries that belong to a newborn; None leaves the parent's.
        """
        fresh = torch.zeros((), dtype=torch.bool, device=values.device)
        for axis, (positions, born) in self.axes.items():
            values = values.index_select(axis, positions.to(values.device))
            shape = [1] * values.dim()
            shape[axis] = -1
            fresh = fresh | born.to(values.device).view(shape)
        return values if newborn is None else values.masked_fill(fresh, newborn)


@dataclass(frozen=True, eq=False)
class IndexMap:
    """What a plan did: old unit -> new unit per group, and old tensor -> new tensor."""

    units: Mapping[str, UnitMap]
    tensors: tuple[TensorChange, ...]


def positions(
    axis: Axis, widths: Mapping[str, int], maps: Mapping[str, UnitMap]
) -> tuple[Tensor, Tensor]:
    """Old positions along an axis, and which of the new ones are newborn.

    Args:
        axis: the segments of the axis.
        widths: units per group before the change.
        maps: the change of each group; a group that is missing does not change.

    Returns:
        ``(positions, newborn)``, int64 and bool, both of the axis' new length.
    """
    parts: list[Tensor] = []
    births: list[Tensor] = []
    for segment, start, stop in axis.spans(widths):
        change = None if segment.group is None else maps.get(segment.group)
        if change is None:
            parts.append(torch.arange(start, stop))
            births.append(torch.zeros(stop - start, dtype=torch.bool))
        else:
            parts.append(
                segment.positions(start, torch.tensor(change.source, dtype=torch.int64))
            )
            newborn = torch.tensor(change.newborn, dtype=torch.bool)
            births.append(newborn.repeat_interleave(segment.repeat))
    return torch.cat(parts), torch.cat(births)
