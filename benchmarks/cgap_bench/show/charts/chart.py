"""What a chart is: the data behind it, and panels that draw them in Vega-Lite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from cgap_bench.show.columns import Scale
from cgap_bench.show.text.escaping import csv_cell

Spec = Mapping[str, Any]
FLOAT = "%.9g"  # so that machines agree on the text
GRID_ROW, GRID_CELL = 17, 46  # pixels
MOST = 200  # marks a method in one row; more are one blot, and a file of megabytes


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Above it; empty where the chart has no other.
        spec: Vega-Lite without data, size and looks.
        height: Of the axes, pixels.
        width: The same in files; on the page a panel is as wide as there is room.
    """

    title: str
    spec: Spec = field(repr=False)
    height: int = 240
    width: int = 300


@dataclass(frozen=True)
class Chart:
    """Panels over one table of data.

    Attributes:
        name: Of its files.
        title: What it shows.
        note: How to read it.
        frame: The data behind it.
        panels: Drawn side by side as far as there is room.
        columns: Panels side by side in files.
        wide: A panel needs the whole width of the page.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    panels: tuple[Panel, ...]
    columns: int = 3
    wide: bool = False

    @property
    def csv(self) -> str:
        """The data behind it."""
        return csv_of(self.frame)

    @property
    def data(self) -> dict[str, Any]:
        """The same for Vega-Lite; ordered numbers are numbers, not texts."""
        kinds = self.frame.dtypes
        numbers = {str(key): "number" for key in kinds.index if is_numeric_dtype(kinds[key])}
        return {"values": self.csv, "format": {"type": "csv", "parse": numbers}}


def thinned(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """The same, but of each method `MOST` rows at most: evenly among its own by a number.

    The least and the largest stay.

    Args:
        frame: With a column ``method``.
        key: Table column of the number.
    """
    of_method = frame.groupby("method")[key]
    n, rank = of_method.transform("size"), of_method.rank(method="first") - 1
    if n.max() <= MOST:
        return frame
    place, before = (((rank - i) * (MOST - 1)) // (n - 1) for i in (0, 1))
    return frame[(n <= MOST) | (place > before)]


def thinned_note(shown: pd.DataFrame, every: pd.DataFrame) -> str:
    """What a chart says of marks that were left out; empty where none was."""
    if len(shown) == len(every):
        return ""
    return f" Of more than {MOST} of a method so many are drawn, evenly among all."


def csv_of(frame: pd.DataFrame) -> str:
    """All columns, to nine significant digits; no cell is a formula to a spreadsheet."""
    safe = frame.rename(columns=csv_cell)
    for column in safe.select_dtypes(exclude="number"):
        safe[column] = safe[column].map(csv_cell)
    return safe.to_csv(index=False, float_format=FLOAT, lineterminator="\n")


def value(name: str, title: str, **more: Any) -> dict[str, Any]:
    """A number on an axis; the title says its unit."""
    return {"field": name, "type": "quantitative", "title": title, **more}


def numbers(scale: Scale) -> dict[str, Any]:
    """How an axis of a table column's numbers is labelled."""
    return {"format": "~s" if scale is Scale.COUNT else "~g", "tickCount": 5}


def grid(
    frame: pd.DataFrame, x: str, y: Sequence[str], number: Mapping[str, Any], ink: Any = None
) -> Panel:
    """A row a method, a column a step, every number written: for more than lines can tell.

    Args:
        frame: One row a (method, step).
        x: Table column of the step.
        y: Methods, from the top.
        number: The number as `value` has it, with scale and format.
        ink: Colour of the digits in Vega-Lite's words; that of all text by default.
    """
    place = {"field": x, "type": "ordinal", "axis": {"labelAngle": 0, "orient": "top"}}
    row = {"field": "method", "type": "nominal", "title": None, "sort": list(y)}
    cell = {"color": {**number, "legend": None}, "tooltip": told("method", x, number["field"])}
    digits = {"text": {"field": number["field"], "format": number["format"]}}
    digits |= {"color": ink} if ink else {}
    layers = [
        {"mark": {"type": "rect", "opacity": 1 if ink else 0.5}, "encoding": cell},
        {"mark": "text", "encoding": digits},
    ]
    spec = {"encoding": {"x": place, "y": row}, "layer": layers}
    n = frame[x].nunique()
    return Panel(number["title"], spec, 30 + GRID_ROW * len(y), min(900, 60 + GRID_CELL * n))


def told(*names: str) -> list[dict[str, Any]]:
    """What a pointer at a mark is told: the named fields."""
    return [{"field": name} for name in names]
