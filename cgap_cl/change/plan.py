"""Plan: which units go and which parents split, decided before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cgap_cl.blocks.index_maps import UnitMap


@dataclass(frozen=True)
class Plan:
    """A structural change of one column.

    Attributes:
        grow: parents per group; a parent listed twice has two newborns.
        prune: units per group that go.

    >>> print(Plan(grow={"conv1": [3, 3]}, prune={"fc": [0]}))
    conv1: +2; fc: -1
    """

    grow: Mapping[str, Sequence[int]] = field(default_factory=dict)
    prune: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("grow", "prune"):
            changes = {
                key: tuple(sorted(units))
                for key, units in getattr(self, name).items()
                if len(units)
            }
            object.__setattr__(self, name, changes)

    def __bool__(self) -> bool:
        return bool(self.grow or self.prune)

    def __str__(self) -> str:
        rows = [f"{group}: +{len(parents)}" for group, parents in self.grow.items()]
        rows += [f"{group}: -{len(units)}" for group, units in self.prune.items()]
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
