"""What a chart is: the data behind it, and panels that draw them in Vega-Lite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from cgap_bench.show.columns import Scale
from cgap_bench.show.text.escaping import csv_cell

Spec = Mapping[str, Any]
FLOAT = "%.9g"  # so that machines agree on the text


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


def told(*names: str) -> list[dict[str, Any]]:
    """What a pointer at a mark is told: the named fields."""
    return [{"field": name} for name in names]
