"""The comparison table as the page shows it: sortable numbers with bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cgap_bench.show import tables
from cgap_bench.show.charts.look import looks_of
from cgap_bench.show.columns import Scale
from cgap_bench.show.comparison import Comparison


@dataclass(frozen=True)
class Cell:
    """One number: its text, its value to sort by, and the length of its bar in percent."""

    text: str
    value: float | None
    bar: float


@dataclass(frozen=True)
class Row:
    """One method: how it is drawn in charts, and its cells."""

    method: str
    colour: str
    shape: str
    cells: tuple[Cell, ...]


def rows_of(one: Comparison) -> tuple[list[str], list[Row]]:
    """Titles of the columns, and the rows, best accuracy first."""
    columns = []
    for column in one.columns:
        title, texts = tables.column_cells(one.summary, column)
        values = [float(value) for value in one.summary[column.key]]
        whole = 1.0 if column.scale is Scale.PERCENT else _largest(values)
        columns.append((title, list(map(_cell, texts, values, [whole] * len(values)))))

    methods = [str(method) for method in one.summary["method"]]
    looks = looks_of(methods)
    return [title for title, _ in columns], [
        Row(method, *looks[method], tuple(cells[i] for _, cells in columns))
        for i, method in enumerate(methods)
    ]


def _cell(text: str, value: float, whole: float) -> Cell:
    if math.isnan(value):
        return Cell(text, None, 0.0)
    return Cell(text, value, round(min(100.0, max(0.0, 100 * value / whole)), 1))


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=0.0) or 1.0
