"""CGaP against every other method, paired by seed and order of classes."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD, Claims
from cgap_bench.show import stats
from cgap_bench.show.stats import PairedDifference
from cgap_bench.show.tables import Table, format_estimate

ENOUGH = 10  # pairs, from which on a difference is tested (benchmarks/README.md)
SCREEN = "screen"  # in place of a p-value: a first look, no test


def paired(
    runs: pd.DataFrame, key: str, reference: str = REFERENCE_METHOD
) -> dict[str, PairedDifference]:
    """The reference minus each method that shares two runs or more with it.

    Args:
        runs: One row a run (`derive.runs_frame`).
        key: The column that is compared.
        reference: The method that the others are compared with.
    """
    values = runs.pivot(index=["seed", "order"], columns="method", values=key)
    if reference not in values:
        return {}
    results = {}
    for method in values.columns.drop(reference):
        pairs = values[[reference, method]].dropna()
        if len(pairs) > 1:
            left, right = list(pairs[reference]), list(pairs[method])
            results[str(method)] = stats.compare(left, right)
    return results


def differences(
    runs: pd.DataFrame, claims: Claims | None = None, reference: str = REFERENCE_METHOD
) -> Table | None:
    """Accuracy of the reference minus that of every other method.

    What the recipe named before the runs leads the table, and has p-values where there are
    `ENOUGH` pairs; all else is a screen.

    Args:
        runs: One row a run.
        claims: What was named before the runs were made.
        reference: The method that the others are compared with.

    Returns:
        The table, or None where no method shares two runs or more with the reference.
    """
    claims = claims or Claims()
    results = paired(runs, "accuracy", reference)
    later = paired(runs, "later_accuracy", reference)
    named = [name for name in claims.named if name in results]
    order = [*named, *(name for name in results if name not in named)]
    titles, p_values = _p_values({name: results[name] for name in named}, claims)

    header = (
        f"{reference} against",
        "pairs",
        "accuracy difference [points]",
        *titles,
        "median [points]",
        "any one left out [points]",
        "detectable [points]",
        "each pair [points]",
        "without the first task [points]",
    )
    rows = tuple(
        (
            f"{name} (primary)" if name == claims.primary else name,
            *_cells(results[name], p_values.get(name, (SCREEN,) * len(titles))),
            _difference(later[name].difference) if name in later else "-",
        )
        for name in order
    )
    return Table(header, rows) if rows else None


def _cells(result: PairedDifference, p_values: Sequence[str]) -> tuple[str, ...]:
    low, high = result.leave_one_out
    return (
        str(result.difference.n),
        _difference(result.difference),
        *p_values,
        _points(result.median),
        f"{_points(low)} to {_points(high)}",
        f"{100 * result.detectable:.2f}",
        " ".join(f"{100 * value:+.1f}" for value in result.values),
    )


def _p_values(
    named: Mapping[str, PairedDifference], claims: Claims
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Titles of the tests, and the p-values of each row that has `ENOUGH` pairs.

    Holm's procedure counts all rows that were named, tested yet or not. Where none has enough
    pairs, a single title is left.
    """
    tests = {
        "p of t (Holm)": [result.p_value for result in named.values()],
        "p of sign flips (Holm)": [_sign_flip_p(result) for result in named.values()],
    }
    if claims.margin is not None:
        title = f"p of {100 * claims.margin:g} points worse or more (Holm)"
        tests[title] = [stats.no_worse_p(r.difference, claims.margin) for r in named.values()]

    columns = [[_p_value(p) for p in stats.holm(test)] for test in tests.values()]
    rows = dict(zip(named, zip(*columns, strict=True), strict=True))
    enough = {name: rows[name] for name in named if named[name].difference.n >= ENOUGH}
    return (tuple(tests) if enough else ("p",)), enough


def _sign_flip_p(result: PairedDifference) -> float:
    return result.sign_flip_p if result.difference.n <= stats.MAX_EXACT else math.nan


def _difference(difference: stats.Estimate) -> str:
    """A difference of ratios in points, always with its sign."""
    text = format_estimate(difference.mean * 100, difference.half_width * 100, 2)
    return f"+{text}" if difference.mean > 0 else text


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _p_value(value: float) -> str:
    """Three decimals, no false zero, and nothing where there is none."""
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
