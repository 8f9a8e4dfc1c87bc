"""Plan: which units go and which parents split, decided before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cgap_cl.layout import Axis


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


@dataclass(frozen=True)
class Plan:
    """A structural change of one column.

    Attributes:
        grow: parents per group; a parent listed twice has two newborns.
        prune: units per group that go.
        laterals: lateral inputs that go, as positions in the lateral's present input,
            by ``(layer, source block)``.
    """

    grow: Mapping[str, Sequence[int]] = field(default_factory=dict)
    prune: Mapping[str, Sequence[int]] = field(default_factory=dict)
    laterals: Mapping[tuple[str, int], Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("grow", "prune", "laterals"):
            changes = {
                key: tuple(sorted(units))
                for key, units in getattr(self, name).items()
                if len(units)
            }
            object.__setattr__(self, name, changes)

    def __bool__(self) -> bool:
        return bool(self.grow or self.prune or self.laterals)

    def __str__(self) -> str:
        rows = [f"{group}: +{len(parents)}" for group, parents in self.grow.items()]
        rows += [f"{group}: -{len(units)}" for group, units in self.prune.items()]
        rows += [
            f"{layer} <- block {source}: -{len(units)} inputs"
            for (layer, source), units in self.laterals.items()
        ]
        return "; ".join(rows) or "no change"

    def check(self, widths: Mapping[str, int]) -> None:
        """Raise ValueError if the plan names a unit that is not there or empties a group."""
        for what, changes in (("grow", self.grow), ("prune", self.prune)):
            for group, units in changes.items():
                if group not in widths:
                    raise ValueError(
                        f"plan: cannot {what} '{group}': groups are {', '.join(widths)}"
                    )
                if min(units) < 0 or max(units) >= widths[group]:
                    raise ValueError(
                        f"plan: {what} '{group}' names unit {max(units)} of {widths[group]}"
                    )
        for group, units in self.prune.items():
            if len(set(units)) >= widths[group]:
                raise ValueError(
                    f"plan: prune '{group}' would leave no unit of {widths[group]}"
                )

    def unit_map(self, group: str, width: int) -> UnitMap:
        """Newborns stand right behind their parent; a unit that goes leaves its newborns."""
        gone = set(self.prune.get(group, ()))
        parents = list(self.grow.get(group, ()))
        source: list[int] = []
        newborn: list[bool] = []
        for unit in range(width):
            births = parents.count(unit)
            kept = unit not in gone
            source += [unit] * (births + kept)
            newborn += [False] * kept + [True] * births
        return UnitMap(tuple(source), tuple(newborn))

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-able form; :meth:`from_dict` reads it back."""
        return {
            "grow": {group: list(units) for group, units in self.grow.items()},
            "prune": {group: list(units) for group, units in self.prune.items()},
            "laterals": [
                [layer, source, list(units)] for (layer, source), units in self.laterals.items()
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Inverse of :meth:`to_dict`."""
        laterals = {(layer, source): tuple(units) for layer, source, units in data["laterals"]}
        return cls(grow=data["grow"], prune=data["prune"], laterals=laterals)


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
    offset = 0
    parts: list[Tensor] = []
    births: list[Tensor] = []
    for segment in axis:
        length = segment.length(widths)
        if segment.group is None:
            parts.append(torch.arange(offset, offset + length))
            births.append(torch.zeros(length, dtype=torch.bool))
        else:
            change = maps.get(segment.group) or UnitMap.identity(widths[segment.group])
            first = torch.tensor(change.source, dtype=torch.int64) * segment.repeat + offset
            parts.append((first[:, None] + torch.arange(segment.repeat)).flatten())
            births.append(
                torch.tensor(change.newborn, dtype=torch.bool).repeat_interleave(segment.repeat)
            )
        offset += length
    return torch.cat(parts), torch.cat(births)
