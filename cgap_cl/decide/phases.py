"""When to grow and when to prune, as shares of one experience's training. Pure."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from cgap_cl.decide.policy import check_share


@dataclass(frozen=True)
class Phases:
    """Phase boundaries as shares of the experience's iterations.

    Grow until ``grow_until``, consolidate until ``prune_from``, prune in steps until
    ``prune_until``, fine-tune to the end.

    Attributes:
        growth_events: number of growth events, evenly spaced; 0: no growth.
        pruning_steps: number of pruning steps, evenly spaced; 0: no pruning.

    >>> phases = Phases(grow_until=0.2, prune_from=0.4, prune_until=0.6, pruning_steps=3)
    >>> phases.growth_iterations(100), phases.pruning_iterations(100)
    ([5, 10, 15, 20], [40, 50, 60])
    """

    grow_until: float = 0.1
    prune_from: float = 0.15
    prune_until: float = 0.3
    growth_events: int = 4
    pruning_steps: int = 4

    def __post_init__(self) -> None:
        for name in ("grow_until", "prune_from", "prune_until"):
            check_share(name, getattr(self, name))
        if not self.grow_until <= self.prune_from <= self.prune_until:
            raise ValueError(
                "phases are out of order: grow_until <= prune_from <= prune_until, not "
                f"{self.grow_until}, {self.prune_from}, {self.prune_until}"
            )
        for name in ("growth_events", "pruning_steps"):
            n = getattr(self, name)
            if not isinstance(n, int) or n < 0:
                raise ValueError(
                    f"{name} must be a whole number and cannot be negative, not {n}"
                )

    @property
    def least_iterations(self) -> int:
        """From how many iterations on every event has an iteration of its own.

        >>> Phases().least_iterations  # 4 events in the first tenth
        40
        """
        spans = [(self.growth_events, self.grow_until)]
        spans.append((self.pruning_steps - 1, self.prune_until - self.prune_from))
        return math.ceil(max((n / span for n, span in spans if n > 0 and span > 0), default=1))

    def too_short(self, total: int) -> bool:
        """Whether no iteration lies in the phase of growth: a visit of an online stream.

        >>> Phases().too_short(9), Phases().too_short(10)
        (True, False)
        """
        return self.growth_events > 0 and self.grow_until * total < 1

    def check(self, total: int) -> None:
        """Warn where a training of ``total`` iterations is too short for the events."""
        if total < self.least_iterations:
            what = "some fall together, with no training between"
            if self.too_short(total):
                what = "it grows once, no further than to the target price, and is not pruned"
            warnings.warn(
                f"{total} iterations are too few for {self.growth_events} growth events and "
                f"{self.pruning_steps} pruning steps: {what}; {self.least_iterations} are "
                "needed (more epochs, smaller batches)",
                stacklevel=3,
            )

    def growth_iterations(self, total: int) -> list[int]:
        """Iterations (1-based, ascending) after which a growth event takes place."""
        return _spread(0.0, self.grow_until, self.growth_events, total)

    def pruning_iterations(self, total: int) -> list[int]:
        """Iterations (1-based, ascending) after which a pruning step takes place."""
        if self.pruning_steps == 1:
            return _spread(0.0, self.prune_until, 1, total)
        if not self.pruning_steps:
            return []
        first = max(1, round(self.prune_from * total))
        later = _spread(self.prune_from, self.prune_until, self.pruning_steps - 1, total)
        return sorted({first, *later})


def _spread(start: float, stop: float, n: int, total: int) -> list[int]:
    """``n`` evenly spaced iterations in ``(start, stop]``; fewer if too short."""
    return sorted(
        {max(1, round((start + (stop - start) * (i + 1) / n) * total)) for i in range(n)}
    )
