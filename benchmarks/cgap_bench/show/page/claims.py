"""The result in sentences: one for each claim, with its interval."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD, Claims
from cgap_bench.show import stats
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.paired.differences import ENOUGH, paired
from cgap_bench.show.stats import PairedDifference
from cgap_bench.show.tables import format_estimate

MAX_SCREENED = 6  # sentences where nothing was named before the runs
SCREEN = (
    "No comparison was named in the recipe ([claims]) before these runs: the differences below"
    " are a first look, not a test."
)
PRICES = {
    "parameters": "of the stored parameters",
    "macs": "of the multiply-adds",
    "latency_ms": "of the latency",
    "energy_mj": "of the energy",
}


def sentences(one: Comparison) -> list[str]:
    """The result, then what the runs say of each claim of the recipe, or of each method."""
    return [_result(one), *_against_others(one)]


def _result(one: Comparison) -> str:
    """The best method, how far it is ahead and how sure that is, its price, what it forgets."""
    names = [str(name) for name in one.summary["method"]]
    best = names[0]
    text = f"Most accurate is {best} with {one.cell(best, 'accuracy')} %"
    text += _lead(one, best, names[1]) if len(names) > 1 else ""
    price = f"{one.cell(best, 'latency_ms')} ms and {one.cell(best, 'energy_mj')} mJ"
    forgotten = one.cell(best, "forgetting")
    memory = f"; it forgets {forgotten} points" if forgotten != "-" else ""
    return f"{text}. One inference of it takes {price} on {one.platform.title}{memory}."


def _lead(one: Comparison, best: str, other: str) -> str:
    """How far the best is ahead of the next, over the seeds and orders that both have."""
    pair = paired(one.runs, "accuracy", best).get(other)
    if pair is None:
        return (
            f"; next is {other} with {one.cell(other, 'accuracy')} %, too few runs to compare"
        )
    d = pair.difference
    way = "more" if d.mean >= 0 else "less"
    sure = "does not include 0" if d.low > 0 or d.high < 0 else "includes 0: it may be chance"
    return (
        f", {abs(100 * d.mean):.2f} points {way} than {other} over {d.n} pairs of runs;"
        f" the 95 % interval {100 * d.low:+.2f} to {100 * d.high:+.2f} {sure}"
    )


def _against_others(one: Comparison) -> Iterator[str]:
    pairs = one.pairs
    if not pairs:
        if len(one.summary) > 1:
            yield _without_pairs(one)
        return
    named = [name for name in one.claims.named if name in pairs]
    ranked = sorted(pairs, key=lambda name: -abs(pairs[name].difference.mean))
    told = named or ranked[:MAX_SCREENED]
    if not named:
        yield SCREEN
    p_values = stats.holm([pairs[name].p_value for name in told])
    for name, p in zip(told, p_values, strict=True):
        yield _sentence(name, pairs[name], p, one.claims) + _price(one, name)
    yield from _not_run(one.claims, pairs)


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
        return f"{head}.{_needed(pair)}"
    if d.n < ENOUGH:
        return f"{head}. That is no claim yet: {ENOUGH} pairs are needed.{_needed(pair)}"
    return f"{head}, {_p(p)}. {_verdict(pair, p, claims)}"


def _needed(pair: PairedDifference) -> str:
    """Where no number of signs could be significant: how many runs it would take."""
    n = pair.difference.n
    if n >= stats.FEWEST:
        return ""
    text = f" {n} pairs cannot decide (an exact test of signs gives p = {2 / 2**n:g} at best)"
    if pair.difference.mean == 0:
        return f"{text}."
    needed = pair.needed
    enough = f"about {needed}" if needed else f"more than {stats.MOST_PAIRS:,}"
    return f"{text}; {enough} would be needed."


def _verdict(pair: PairedDifference, p: float, claims: Claims) -> str:
    if p < 1 - stats.CONFIDENCE:
        return "The difference is claimed."
    if claims.margin is not None and pair.difference.low > -claims.margin:
        return f"It is no worse than by {100 * claims.margin:g} points."
    return "The sign of the difference is open."


def _p(value: float) -> str:
    if math.isnan(value):
        return "no test"
    return "p < 0.001 (t, Holm)" if value < 0.001 else f"p = {value:.3f} (t, Holm)"


def _price(one: Comparison, name: str) -> str:
    """What it needs of the other's price, pair by pair; more than 100 % is more."""
    parts = [f"{_share(one.runs, name, key)} {words}" for key, words in PRICES.items()]
    return f" It needs {', '.join(parts[:-1])} and {parts[-1]}."


def _share(runs: pd.DataFrame, name: str, key: str) -> str:
    values = runs.pivot(index=["seed", "order"], columns="method", values=key)
    both = values[[REFERENCE_METHOD, name]].dropna()
    ratio = stats.estimate([100 * v for v in both[REFERENCE_METHOD] / both[name]])
    return f"{format_estimate(ratio.mean, ratio.half_width or math.nan, 1)} %"


def _without_pairs(one: Comparison) -> str:
    """The most that one run a method can say; what was named is never left out."""
    accuracy = {row["method"]: row["accuracy"] for _, row in one.summary.iterrows()}
    named = [name for name in (REFERENCE_METHOD, *one.claims.named) if name in accuracy]
    told = {
        *named,
        *[name for name in accuracy if name not in named][: MAX_SCREENED - len(named)],
    }
    rows = [f"{name} {100 * value:.2f} %" for name, value in accuracy.items() if name in told]
    left = len(accuracy) - len(rows)
    return (
        f"No method shares two runs with {REFERENCE_METHOD}: no interval, no claim. Accuracies:"
        f" {', '.join(rows)}{f'; {left} more in the table' if left else ''}."
    )


def _not_run(claims: Claims, pairs: Mapping[str, PairedDifference]) -> Iterator[str]:
    missing = [name for name in claims.named if name not in pairs]
    if missing:
        yield f"Named before, but without two pairs of runs: {', '.join(missing)}."
