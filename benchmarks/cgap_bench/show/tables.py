"""The comparison table: one row a method, columns defined once, in four renderings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cgap_bench.show import stats
from cgap_bench.show.columns import Scale, TableColumn, present
from cgap_bench.show.text import escaping


@dataclass(frozen=True)
class Table:
    """A table ready to be printed: every cell is text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Characters of its widest row, two between cells; units may stand below titles."""
        titles = tuple(title.partition(" [")[0] for title in self.header)
        cells = zip(titles, *self.rows, strict=True)
        return sum(max(map(len, column)) + 2 for column in cells)

    @property
    def lines(self) -> tuple[tuple[str, ...], ...]:
        """Its header, then its rows."""
        return (self.header, *self.rows)

    def markdown(self) -> str:
        """As a GitHub table, padded so that the source can be read as well."""
        header, *rows = [tuple(map(escaping.markdown, line)) for line in self.lines]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        padded = [_pad(header, widths), rule, *(_pad(row, widths) for row in rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in padded) + "\n"

    def latex(self) -> str:
        """As a ``tabular`` with the rules of the booktabs package."""
        lines = [" & ".join(map(escaping.latex, line)) + r" \\" for line in self.lines]
        return "\n".join(
            [
                rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                "",
            ]
        )


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval over seeds: one row a method, best accuracy first.

    Args:
        runs: One row a run (`derive.runs_frame`).

    Returns:
        Columns ``method``, ``n_seeds`` and, for every number in ``runs``, its mean under
        its own name and the half-width of its 95 % interval under ``<name>_interval``.
    """
    numbers = [
        column
        for column in runs.columns
        if column != "seed" and pd.api.types.is_numeric_dtype(runs[column])
    ]

    rows = []
    for method, group in runs.groupby("method", sort=True):
        row: dict[str, object] = {"method": method, "n_seeds": len(group)}
        for column in numbers:
            estimate = stats.estimate([float(value) for value in group[column]])
            row[column] = estimate.mean
            row[f"{column}_interval"] = estimate.half_width
        rows.append(row)

    frame = pd.DataFrame(rows)
    return frame.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def comparison(summary: pd.DataFrame, keys: Sequence[str] = ()) -> Table:
    """The table of all methods: every number with its interval where there is one.

    Args:
        summary: One row a method (`summarise`).
        keys: Columns that are shown; all by default.
    """
    shown = [column for column in present(summary) if not keys or column.key in keys]
    cells = [column_cells(summary, column) for column in shown]
    header = ("method", *(title for title, _ in cells))
    rows = tuple(
        (str(method), *(texts[i] for _, texts in cells))
        for i, method in enumerate(summary["method"])
    )
    return Table(header, rows)


def column_cells(summary: pd.DataFrame, column: TableColumn) -> tuple[str, list[str]]:
    """Title with unit, and the formatted cells, of one column of a summary."""
    means = [float(value) for value in summary[column.key]]
    halves = [float(value) for value in summary[f"{column.key}_interval"]]
    factor, prefix, digits = _format(column, means)
    unit = f"{prefix}{column.unit}"
    title = f"{column.title} [{unit}]" if unit else column.title
    if column.scale is not Scale.PERCENT:  # costs that are the same in all runs are exact
        halves = [half or math.nan for half in halves]
    texts = [
        format_estimate(m / factor, h / factor, digits)
        for m, h in zip(means, halves, strict=True)
    ]
    return title, texts


def format_estimate(mean: float, half_width: float, digits: int) -> str:
    """``"91.25 ± 0.40"``; without the interval where there is none, "-" where undefined."""
    if math.isnan(mean):
        return "-"
    text = _fixed(mean, digits)
    return text if math.isnan(half_width) else f"{text} ± {_fixed(half_width, digits)}"


def _format(column: TableColumn, means: Sequence[float]) -> tuple[float, str, int]:
    """Divisor, prefix and decimals for a whole column, from its numbers."""
    if column.scale is Scale.PERCENT:
        return 0.01, "", 2
    known = [abs(mean) for mean in means if mean and not math.isnan(mean)]
    factor, prefix = 1.0, ""
    if column.scale is Scale.COUNT and known:
        steps = {1e9: "G", 1e6: "M", 1e3: "k"}
        factor = next((step for step in steps if max(known) >= step), 1.0)
        prefix = steps.get(factor, "")
    smallest = min(known, default=1.0) / factor
    return factor, prefix, min(4, max(0, 2 - math.floor(math.log10(smallest))))


def _fixed(value: float, digits: int) -> str:
    """Fixed decimals, and never a negative zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _pad(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The first cell flush left, the others flush right."""
    first, *others = zip(cells, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
