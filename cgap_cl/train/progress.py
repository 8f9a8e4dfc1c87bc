"""Progress: where the experience of one column stands, as plain values that can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cgap_cl.decide.phases import Phases


@dataclass(frozen=True)
class Peak:
    """The column at peak capacity, before any pruning.

    Attributes:
        widths: units per group.
        price: share of the reference's.
    """

    widths: Mapping[str, int] = field(default_factory=dict)
    price: float = 0.0


@dataclass(frozen=True)
class Progress:
    """Where an experience stands; a change makes a new value.

    Attributes:
        shared: groups whose units are read from the ancestor.
        iteration: iterations done.
        growth: iterations after which growth is outstanding, ascending.
        pruning: iterations after which pruning is outstanding, ascending.
        n_growth: growth events that were planned.
        n_pruning: pruning steps that were planned.
        start_price: of the column at the start.
        peak: the column at peak capacity so far.
        pruned: widths that the last pruning step left; empty: nothing was pruned.
    """

    shared: frozenset[str] = frozenset()
    iteration: int = 0
    growth: tuple[int, ...] = ()
    pruning: tuple[int, ...] = ()
    n_growth: int = 0
    n_pruning: int = 0
    start_price: float = 0.0
    peak: Peak = field(default_factory=Peak)
    pruned: Mapping[str, int] = field(default_factory=dict)

    def started(self, phases: Phases, total: int, start: Peak, target: float) -> Progress:
        """The beginning of a training of ``total`` iterations, from the column as it is.

        One too short for growth and pruning apart prunes only what is above the target price.
        """
        growth, pruning = phases.growth_iterations(total), phases.pruning_iterations(total)
        if phases.too_short(total) and start.price <= target:
            pruning = []
        return Progress(
            self.shared,
            growth=tuple(growth),
            pruning=tuple(pruning),
            n_growth=len(growth),
            n_pruning=len(pruning),
            start_price=start.price,
            peak=start,
        )

    def counted(self) -> Progress:
        """After one more iteration."""
        return replace(self, iteration=self.iteration + 1)

    @property
    def changes_to_come(self) -> bool:
        """Whether growth or pruning is outstanding."""
        return bool(self.growth or self.pruning)

    @property
    def growth_is_due(self) -> bool:
        """Whether it is time to grow."""
        return bool(self.growth) and self.iteration >= self.growth[0]

    @property
    def pruning_is_due(self) -> bool:
        """Whether it is time to prune: never before the last growth event."""
        return bool(self.pruning) and not self.growth and self.iteration >= self.pruning[0]

    def growth_limit(self, peak_price: float) -> float:
        """Price that growth may reach by now: from that at the start evenly to the peak's."""
        share = (self.n_growth - len(self.growth)) / self.n_growth
        return self.start_price + max(0.0, peak_price - self.start_price) * share

    def pruning_target(self, target_price: float) -> float:
        """Price to prune to by now: from that at the peak evenly to the target."""
        share = 1 - len(self.pruning) / max(1, self.n_pruning)
        return self.peak.price + min(0.0, target_price - self.peak.price) * share

    def state(self) -> dict[str, Any]:
        """Plain values, loadable with ``weights_only=True``; :meth:`restored` reads them."""
        return asdict(self) | {
            "shared": sorted(self.shared),
            "growth": list(self.growth),
            "pruning": list(self.pruning),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Progress:
        """Counterpart of :meth:`state`."""
        return cls(
            **{
                **state,
                "shared": frozenset(state["shared"]),
                "growth": tuple(state["growth"]),
                "pruning": tuple(state["pruning"]),
                "peak": Peak(**state["peak"]),
            }
        )
