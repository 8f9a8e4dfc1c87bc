"""Growth and pruning policies: scores and a budget in, a Plan out. Pure."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import Tensor

from cgap_cl.change.plan import Plan

# units per group of the column -> cost of one inference
Price = Callable[[Mapping[str, int]], float]

STEP = 64  # no array of the boards that come with the cost model makes more channels at once


class Where(enum.Enum):
    """How newborns, or cuts, are spread over the layers."""

    UNIFORM = "uniform"  # the same share of every group
    SALIENCY = "saliency"  # the best (worst) units of all groups together


def paid_lanes(price: Price, widths: Mapping[str, int], group: str) -> int:
    """How many more units of a group fill lanes that are paid for already.

    Latency is a staircase: an array that makes 16 channels at once takes as long for 17 filters
    as for 32, so the 17th costs much and the next 15 little. A step is a unit that costs more
    than twice as much as the one before. Lanes are paid for where the step costs at least as
    much as all lanes of its row; where other layers charge for every channel that they read,
    filling a row saves little. 0 where the next unit opens a step, and where there is none
    within ``STEP`` units: in the price of multiply-adds, say.
    """
    each = _unit_costs(price, widths, group, STEP + 1)
    if each[0] > 2 * each[1]:
        return 0
    lanes = _next_step(each)
    if lanes is None:
        return 0
    row = _unit_costs(price, {**widths, group: widths[group] + lanes}, group, STEP + 1)
    length = _next_step(row) or lanes + 1
    return lanes if row[0] >= length * each[lanes - 1] else 0


def _unit_costs(price: Price, widths: Mapping[str, int], group: str, n: int) -> list[float]:
    """What each of the next ``n`` units of a group costs."""
    costs = [price({**widths, group: widths[group] + more}) for more in range(n + 1)]
    return [after - before for before, after in pairwise(costs)]


def _next_step(each: Sequence[float]) -> int | None:
    """The next unit, but the very next, that costs more than twice as much as its elder."""
    found = (k for k in range(1, len(each)) if each[k] > 2 * each[k - 1] + 1e-12)
    return next(found, None)


def rank(scores: Mapping[str, Tensor], where: Where) -> list[tuple[float, str, int]]:
    """All units as (value, group, unit), best first; ties in order of group and unit.

    Under ``UNIFORM`` the value is the unit's rank within its own group, as a share of the
    group.
    """
    rows: list[tuple[float, str, int]] = []
    for group, values in scores.items():
        if where is Where.UNIFORM:
            order = values.argsort(stable=True).argsort(stable=True)
            ranked = ((order + 1) / len(values)).tolist()
        else:
            ranked = values.tolist()
        rows += [(value, group, unit) for unit, value in enumerate(ranked)]
    return sorted(rows, key=lambda row: -row[0])


@dataclass(frozen=True)
class GrowthPolicy:
    """Which parents split at one growth event.

    Attributes:
        beta: at most this share of a group splits in one event.
        where: how newborns are spread over the layers.
        capacity: a convolution's group never exceeds this share of its reference width.
        linear_capacity: the same for a group made by linear layers only; in the networks of the
            protocols they hold most parameters and earn little.
        returning_capacity: the same where a label returns (class- and domain-incremental
            streams, which have one head): it tells more and more apart, and what stands right
            before it is where there is too little room.
        capacities: group -> share of its reference width, for groups with a capacity of their
            own; the names are those of ``PlasticNetwork.layout.groups``.

    >>> import torch
    >>> policy = GrowthPolicy(beta=0.5)  # the better half of 4 units splits
    >>> scores = {"conv1": torch.tensor([1.0, 4.0, 3.0, 2.0])}
    >>> price = lambda widths: widths["conv1"] / 10
    >>> print(policy.plan(scores, {"conv1": 8}, price, limit=1.0))
    conv1: +2
    """

    beta: float = 0.6
    where: Where = Where.UNIFORM
    capacity: float = 1.0
    linear_capacity: float = 0.2
    returning_capacity: float = 1.0
    capacities: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_share("beta", self.beta)
        of_groups = {f"capacities['{g}']": share for g, share in self.capacities.items()}
        names = ("capacity", "linear_capacity", "returning_capacity")
        of_kinds = {name: getattr(self, name) for name in names}
        for name, share in (of_kinds | of_groups).items():
            if not share > 0:
                raise ValueError(f"{name} must be positive, not {share}")

    def plan(
        self,
        scores: Mapping[str, Tensor],
        ceiling: Mapping[str, int],
        price: Price,
        limit: float,
    ) -> Plan:
        """Choose parents, best first, until the price would pass the limit.

        Newborns in lanes of an array that are paid for come before all others.

        Args:
            scores: saliency, ``(units,)`` per group; its lengths are the present widths.
            ceiling: widths that are never passed.
            price: cost of one inference at given widths.
            limit: the cost that must not be passed at this event.
        """
        widths = {group: len(values) for group, values in scores.items()}
        room = {g: min(math.ceil(self.beta * n), ceiling[g] - n) for g, n in widths.items()}
        ranked = rank(scores, self.where)
        growth = _Growth(price, widths, room)
        growth.take(ranked, limit, growth.paid())  # fill lanes before any step is opened
        growth.take(ranked, limit, growth.room)
        growth.take(ranked, limit, growth.paid())  # and those of the steps that were opened
        return Plan(grow=growth.parents)


class _Growth:
    """Parents chosen so far, and what the column would cost with their newborns."""

    def __init__(
        self, price: Price, widths: Mapping[str, int], room: Mapping[str, int]
    ) -> None:
        self.price, self.widths, self.room = price, dict(widths), dict(room)
        self.parents: dict[str, list[int]] = {}

    def paid(self) -> dict[str, int]:
        """Lanes to fill, per group with room."""
        return {
            g: min(n, paid_lanes(self.price, self.widths, g)) if n > 0 else 0
            for g, n in self.room.items()
        }

    def take(
        self, ranked: Sequence[tuple[float, str, int]], limit: float, room: Mapping[str, int]
    ) -> None:
        """Take parents in order, each once, while price and room allow it."""
        left = dict(room)
        for _, group, unit in ranked:
            if left[group] <= 0 or unit in self.parents.get(group, ()):
                continue
            grown = {**self.widths, group: self.widths[group] + 1}
            if self.price(grown) > limit:
                left[group] = 0
                continue
            self.widths = grown
            left[group] -= 1
            self.room[group] -= 1
            self.parents.setdefault(group, []).append(unit)


@dataclass(frozen=True)
class PruningPolicy:
    """Which units go at one pruning step.

    Attributes:
        where: how cuts are spread over the layers.
        floor: no group falls below this share of its width at peak capacity.

    >>> import torch
    >>> policy = PruningPolicy(floor=0.25)
    >>> scores = {"conv1": torch.tensor([1.0, 4.0, 3.0, 2.0])}
    >>> price = lambda widths: widths["conv1"] / 10
    >>> plan = policy.plan(scores, {"conv1": 4}, price, target=0.2)
    >>> plan.prune
    {'conv1': (0, 3)}
    """

    where: Where = Where.UNIFORM
    floor: float = 0.25

    def __post_init__(self) -> None:
        check_share("floor", self.floor)

    def plan(
        self,
        scores: Mapping[str, Tensor],
        peak: Mapping[str, int],
        price: Price,
        target: float,
    ) -> Plan:
        """Remove units, worst first, until the price meets the target; groups keep their floor.

        Units whose removal leads to no step of the price stay, as far as the target allows.

        Args:
            scores: saliency, ``(units,)`` per group.
            peak: widths at peak capacity.
            price: cost of one inference at given widths.
            target: the cost to reach.
        """
        widths = {group: len(values) for group, values in scores.items()}
        least = {group: max(1, math.ceil(self.floor * peak[group])) for group in widths}
        gone: dict[str, list[int]] = {}
        for _, group, unit in reversed(rank(scores, self.where)):
            if price(widths) <= target:
                break
            if widths[group] > least[group]:
                widths[group] -= 1
                gone.setdefault(group, []).append(unit)
        return Plan(prune=_spared(gone, widths, price, target))


def _spared(
    gone: Mapping[str, Sequence[int]], widths: Mapping[str, int], price: Price, target: float
) -> dict[str, list[int]]:
    """What still goes when units in paid lanes stay, the best of each group first."""
    widths, left = dict(widths), {group: list(units) for group, units in gone.items()}
    limit = max(target, price(widths))  # floors may keep the target out of reach
    for group, units in left.items():
        for _ in range(min(len(units), paid_lanes(price, widths, group))):
            more = {**widths, group: widths[group] + 1}
            if price(more) > limit:
                break
            widths = more
            units.pop()
    return left


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless ``0 <= value <= 1``."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], not {value}")
