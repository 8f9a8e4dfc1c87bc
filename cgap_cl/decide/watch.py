"""Watch: when held-out quality says to stop growing, or to stop pruning. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Quality:
    """How well the column does on held-out data.

    Attributes:
        loss: mean negative log-likelihood, nats.
        accuracy: share of rows that are right.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Watch:
    """What held-out measurements of one experience have come to.

    Attributes:
        best_loss: the lowest loss at any growth event.
        n_failures: growth events since, that is how often in a row it has not improved.
        peak_accuracy: accuracy before any pruning; None: nothing was pruned yet.
    """

    best_loss: float = math.inf
    n_failures: int = 0
    peak_accuracy: float | None = None

    def grown(self, quality: Quality) -> Watch:
        """After one more growth event."""
        if quality.loss < self.best_loss:
            return replace(self, best_loss=quality.loss, n_failures=0)
        return replace(self, n_failures=self.n_failures + 1)

    def plateau(self, patience: int) -> bool:
        """Whether the loss has failed to improve ``patience`` times in a row."""
        return self.n_failures >= patience

    def pruned(self, quality: Quality) -> Watch:
        """Before one more pruning step; the first one sets the peak."""
        if self.peak_accuracy is None:
            return replace(self, peak_accuracy=quality.accuracy)
        return self

    def too_low(self, quality: Quality, tolerance: float | None) -> bool:
        """Whether accuracy is more than ``tolerance`` below the peak; None: never."""
        if tolerance is None or self.peak_accuracy is None:
            return False
        return quality.accuracy < self.peak_accuracy - tolerance
