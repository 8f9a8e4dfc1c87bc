"""From seeds to statements: mean and interval, and tests of paired differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` runs and the half-width of its confidence interval.

    ``half_width`` is ``nan`` for a single run: one run says nothing about the spread.
    """

    mean: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width


@dataclass(frozen=True)
class PairedDifference:
    """A difference between two methods over the seeds both have been run with.

    ``p_value`` is two-sided, of Student's paired t-test; ``nan`` with fewer than two pairs.
    ``smallest`` and ``largest`` are the extremes of single pairs.
    """

    difference: Estimate
    p_value: float
    smallest: float
    largest: float


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and Student's t interval of independent runs.

    The half-width is ``t_{(1 + confidence) / 2, n - 1} * s / sqrt(n)`` with the sample
    standard deviation ``s`` (divisor ``n - 1``).

    Raises:
        ValueError: There are no values.

    Example:
        >>> e = estimate([0.5, 0.75, 1.0])
        >>> print(f"{e.mean:.2f} +- {e.half_width:.2f} over {e.n}")
        0.75 +- 0.62 over 3
    """
    if not values:
        raise ValueError("no values to take a mean of")
    data = np.asarray(values, dtype=float)
    n = len(data)
    mean = float(math.fsum(data) / n)
    if n < 2:
        return Estimate(mean, math.nan, n)
    if np.ptp(data) == 0.0:  # rounding in the mean must not make a spread out of none
        return Estimate(float(data[0]), 0.0, n)
    quantile = float(stats.t.ppf((1.0 + confidence) / 2.0, n - 1))
    return Estimate(mean, quantile * float(data.std(ddof=1)) / math.sqrt(n), n)


def compare(left: Sequence[float], right: Sequence[float]) -> PairedDifference:
    """Paired comparison ``left - right``; position ``i`` of both is the same seed.

    Raises:
        ValueError: The two do not have the same number of runs.

    Example:
        >>> result = compare([0.75, 0.875, 1.0], [0.5, 0.75, 0.5])
        >>> print(f"{result.difference.mean:.3f}, p {result.p_value:.2f}")
        0.292, p 0.12
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} and {len(right)} runs cannot be paired")
    differences = [a - b for a, b in zip(left, right, strict=True)]
    difference = estimate(differences)
    return PairedDifference(
        difference, _p_value(difference), min(differences), max(differences)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment of several tests; ``nan`` stays and is not counted.

    Example:
        >>> holm([0.5, 0.125, 0.25])
        [0.5, 0.375, 0.5]
    """
    known = [i for i, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(known, key=lambda k: p_values[k])):
        highest = max(highest, min(1.0, p_values[i] * (len(known) - rank)))
        adjusted[i] = highest
    return adjusted


def _p_value(difference: Estimate) -> float:
    """Two-sided p of "the mean difference is zero", from its t interval."""
    if difference.n < 2:
        return math.nan
    if difference.half_width == 0.0:
        return 1.0 if difference.mean == 0.0 else 0.0
    quantile = float(stats.t.ppf((1.0 + CONFIDENCE) / 2.0, difference.n - 1))
    t = difference.mean / (difference.half_width / quantile)
    return float(2.0 * stats.t.sf(abs(t), difference.n - 1))
