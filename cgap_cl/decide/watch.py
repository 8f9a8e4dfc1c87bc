"""Watch: when held-out quality says to stop growing, or to stop pruning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Quality:
    """How well the column does on held-out data.

    Attributes:
        loss: mean negative log-likelihood, nats.
        accuracy: share of rows that are right.
    """

    loss: float
    accuracy: float


class Watch:
    """Two rules over a sequence of held-out measurements.

    Args:
        patience: growth stops at the event by which the loss has failed to improve this often
            in a row.
        tolerance: pruning stops once accuracy is more than this below that at peak capacity;
            None: never.
    """

    def __init__(self, patience: int, tolerance: float | None) -> None:
        self.patience = patience
        self.tolerance = tolerance
        self.reset()

    def reset(self) -> None:
        """Begin an experience."""
        self.best_loss = math.inf
        self.n_failures = 0
        self.peak_accuracy: float | None = None

    def plateau(self, quality: Quality) -> bool:
        """Whether the loss no longer improves; call it once per growth event."""
        if quality.loss < self.best_loss:
            self.best_loss, self.n_failures = quality.loss, 0
        else:
            self.n_failures += 1
        return self.n_failures >= self.patience

    def too_low(self, quality: Quality) -> bool:
        """Whether accuracy fell too far; the first call, before any pruning, sets the peak."""
        if self.peak_accuracy is None:
            self.peak_accuracy = quality.accuracy
        if self.tolerance is None:
            return False
        return quality.accuracy < self.peak_accuracy - self.tolerance

    def state(self) -> dict[str, Any]:
        """Plain values for :meth:`restore`."""
        return {
            "best_loss": self.best_loss, "n_failures": self.n_failures,
            "peak_accuracy": self.peak_accuracy,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state`."""
        self.best_loss, self.n_failures = state["best_loss"], state["n_failures"]
        self.peak_accuracy = state["peak_accuracy"]
