"""The result in sentences: one for each claim, with its interval."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD, Claims
from cgap_bench.show import stats
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.stats import PairedDifference

ENOUGH = 10  # pairs, from which on a difference is claimed (benchmarks/README.md)
MAX_SCREENED = 6  # sentences where nothing was named before the runs
PRICES = {
    "macs": "of the multiply-adds",
    "latency_ms": "of the latency",
    "energy_mj": "of the energy",
}


def sentences(one: Comparison) -> list[str]:
    """What the runs say of each claim of the recipe, or of each method where there is none."""
    pairs = one.pairs
    if not pairs:
        return [_without_pairs(one)]
    named = [name for name in one.claims.named if name in pairs]
    ranked = sorted(pairs, key=lambda name: -abs(pairs[name].difference.mean))
    told = named or ranked[:MAX_SCREENED]
    p_values = stats.holm([pairs[name].p_value for name in told])
    lines = [
        _sentence(name, pairs[name], p, one.claims) + _price(one, name)
        for name, p in zip(told, p_values, strict=True)
    ]
    if not named:
        lines.insert(0, "Nothing was named before these runs: what follows is a screen.")
    return [*lines, *_not_run(one.claims, pairs)]


def _sentence(name: str, pair: PairedDifference, p: float, claims: Claims) -> str:
    """Who is ahead of whom by how much, and whether that can be said."""
    d = pair.difference
    way = "more" if d.mean >= 0 else "less"
    primary = " (primary)" if name == claims.primary else ""
    head = (
        f"{REFERENCE_METHOD} is {abs(100 * d.mean):.2f} points {way} accurate than"
        f" {name}{primary}: 95 % interval {100 * d.low:+.2f} to {100 * d.high:+.2f},"
        f" {d.n} pairs"
    )
    if not claims.named:
        return f"{head}."
    return f"{head}, {_p(p)}. {_verdict(pair, p, claims)}"


def _verdict(pair: PairedDifference, p: float, claims: Claims) -> str:
    d = pair.difference
    if d.n < ENOUGH:
        return f"That is no claim yet: {ENOUGH} pairs are needed."
    if p < 1 - stats.CONFIDENCE:
        return "The difference is claimed."
    if claims.margin is not None and d.low > -claims.margin:
        return f"It is no worse than by {100 * claims.margin:g} points."
    return "The sign of the difference is open."


def _p(value: float) -> str:
    if math.isnan(value):
        return "no test"
    return "p < 0.001 (t, Holm)" if value < 0.001 else f"p = {value:.3f} (t, Holm)"


def _price(one: Comparison, name: str) -> str:
    """What it needs of the other's price, pair by pair."""
    parts = [f"{_share(one.runs, name, key)} {words}" for key, words in PRICES.items()]
    return f" It needs {', '.join(parts[:-1])} and {parts[-1]}."


def _share(runs: pd.DataFrame, name: str, key: str) -> str:
    values = runs.pivot(index=["seed", "order"], columns="method", values=key)
    both = values[[REFERENCE_METHOD, name]].dropna()
    ratio = stats.estimate([100 * v for v in both[REFERENCE_METHOD] / both[name]])
    return f"{ratio.mean:.1f} ± {ratio.half_width:.1f} %"


def _without_pairs(one: Comparison) -> str:
    """The most that one run a method can say."""
    rows = [
        f"{row['method']} {100 * row['accuracy']:.2f} %" for _, row in one.summary.iterrows()
    ]
    return (
        f"No method shares two runs with {REFERENCE_METHOD}: no interval, no claim. Accuracy:"
        f" {', '.join(rows[:MAX_SCREENED])}."
    )


def _not_run(claims: Claims, pairs: Mapping[str, PairedDifference]) -> Iterator[str]:
    missing = [name for name in claims.named if name not in pairs]
    if missing:
        yield f"Named before, but without two pairs of runs: {', '.join(missing)}."
