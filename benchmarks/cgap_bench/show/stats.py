"""From seeds to statements: mean and interval, and tests of paired differences."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

CONFIDENCE = 0.95
MAX_EXACT = 20  # pairs: a million choices of signs
FEWEST = 6  # pairs of which the exact test of signs can be below 5 %: 2 / 2^6
MOST_PAIRS = 1000
POWER = 0.8  # share of cases in which a true difference is to be found
ROUNDING = 1e-12  # sums that differ by less, relative to all differences, are equal


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
    """A difference between two methods over the runs that both have made.

    Attributes:
        difference: Mean and t interval.
        p_value: Two-sided, of Student's paired t-test; ``nan`` with fewer than two pairs.
        values: The difference of each pair.
    """

    difference: Estimate
    p_value: float
    values: tuple[float, ...]

    @property
    def smallest(self) -> float:
        """Of any pair."""
        return min(self.values)

    @property
    def largest(self) -> float:
        """Of any pair."""
        return max(self.values)

    @property
    def median(self) -> float:
        """Of the pairs."""
        return float(np.median(self.values))

    @property
    def sign_flip_p(self) -> float:
        """`sign_flip_p` of the pairs."""
        return sign_flip_p(self.values)

    @property
    def leave_one_out(self) -> tuple[float, float]:
        """Smallest and largest mean with any one pair left out; ``nan`` for a single pair."""
        n, total = len(self.values), math.fsum(self.values)
        if n < 2:
            return math.nan, math.nan
        means = [(total - value) / (n - 1) for value in self.values]
        return min(means), max(means)

    @property
    def detectable(self) -> float:
        """`detectable` of the pairs."""
        return detectable(self.values)

    @property
    def needed(self) -> int | None:
        """`pairs_needed` for the mean of these."""
        return pairs_needed(self.values)


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
    quantile = _t_quantile(confidence, n)
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
    return PairedDifference(difference, _p_value(difference), tuple(differences))


def sign_flip_p(differences: Sequence[float]) -> float:
    """Exact two-sided p of "each difference might as well have had the other sign".

    Fisher's (1935) randomisation test: the share of all 2^n choices of signs whose sum is as
    far from 0 as the one that was seen. With five pairs it is 0.0625 at best.

    Raises:
        ValueError: There are more than 20, too many to go through them all.

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0])
        0.25
    """
    n = len(differences)
    if n > MAX_EXACT:
        raise ValueError(f"{n} differences are too many for an exact test ({MAX_EXACT})")
    if n < 2:
        return math.nan
    sums = np.zeros(1)
    for value in np.abs(differences):
        sums = np.concatenate([sums - value, sums + value])
    seen = abs(math.fsum(differences))
    return float((np.abs(sums) >= seen - ROUNDING * np.abs(differences).sum()).mean())


def detectable(differences: Sequence[float], power: float = POWER) -> float:
    """The true difference that a paired t-test would find with this many pairs.

    At 5 % two-sided, with the spread of these differences, in a share `power` of all cases;
    ``nan`` with fewer than two pairs.
    """
    n = len(differences)
    return math.nan if n < 2 else _detectable(n, float(np.std(differences, ddof=1)), power)


def pairs_needed(differences: Sequence[float], power: float = POWER) -> int | None:
    """How many pairs would tell the mean of these differences from 0.

    With their spread, in a share `power` of all cases: by a paired t-test at 5 % two-sided, and
    so that `sign_flip_p` can be below 5 % at all (6 pairs).

    Returns:
        The number, or None where it is above 1,000 or there is no difference.

    Example:
        >>> pairs_needed([0.03, 0.05, 0.01])
        6
    """
    mean = abs(math.fsum(differences) / len(differences))
    if mean <= ROUNDING * float(np.abs(differences).sum()):
        return None
    spread, counts = float(np.std(differences, ddof=1)), range(FEWEST, MOST_PAIRS + 1)
    # what can be detected only falls with the number of pairs
    place = bisect_left(counts, x=True, key=lambda n: _detectable(n, spread, power) <= mean)
    return counts[place] if place < len(counts) else None


def _detectable(n: int, spread: float, power: float) -> float:
    """The same for ``n`` pairs whose differences have this standard deviation."""
    if spread == 0.0:
        return 0.0
    # half a second to import, and wanted only where methods are compared pair by pair
    from scipy import stats
    from scipy.optimize import brentq

    critical = _t_quantile(CONFIDENCE, n)

    def missing(shift: float) -> float:
        return float(stats.nct.sf(critical, n - 1, shift)) - power

    shift = brentq(missing, 0.0, critical + 10.0)  # of t, in its standard errors
    return float(shift) * spread / math.sqrt(n)


def no_worse_p(difference: Estimate, margin: float) -> float:
    """One-sided p of "the mean difference is ``-margin`` or below", from its t interval.

    Small: no worse than by the margin (non-inferiority, as in clinical trials).

    Example:
        >>> print(f"{no_worse_p(estimate([0.1, 0.0, -0.1]), 0.5):.3f}")
        0.007
    """
    if difference.n < 2:
        return math.nan
    if difference.half_width == 0.0:
        return 0.0 if difference.mean > -margin else 1.0
    quantile = _t_quantile(CONFIDENCE, difference.n)
    error = difference.half_width / quantile
    return _t_above((difference.mean + margin) / error, difference.n)


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


def _t_quantile(confidence: float, n: int) -> float:
    """Of Student's t of ``n`` values: so far from 0 they are in a share ``confidence``."""
    return float(special.stdtrit(n - 1, (1.0 + confidence) / 2.0))


def _t_above(t: float, n: int) -> float:
    """The chance of more than ``t``, of ``n`` values."""
    return float(special.stdtr(n - 1, -t))


def _p_value(difference: Estimate) -> float:
    """Two-sided p of "the mean difference is zero", from its t interval."""
    if difference.n < 2:
        return math.nan
    if difference.half_width == 0.0:
        return 1.0 if difference.mean == 0.0 else 0.0
    quantile = _t_quantile(CONFIDENCE, difference.n)
    t = difference.mean / (difference.half_width / quantile)
    return 2.0 * _t_above(abs(t), difference.n)
