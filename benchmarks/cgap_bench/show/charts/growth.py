"""Units of each layer while columns grow, are consolidated, pruned and merged."""

from typing import Any

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD, LearningRateSchedule
from cgap_bench.record.record import Record
from cgap_bench.show.charts.chart import Chart, Panel, told, value
from cgap_bench.show.comparison import Comparison

KINDS = {
    "sprout": "circle",
    "grow": "triangle-up",
    "prune": "triangle-down",
    "merge": "diamond",
}
COLOURS = ("#0173b2", "#029e73", "#d55e00", "#8a8a8a")  # of the kinds, told by shape as well
CONSOLIDATE = "consolidate"


def growth(one: Comparison) -> Chart | None:
    """The column's units per layer in the first run of CGaP.

    Returns:
        The chart, or None where nothing has grown.
    """
    record = _first(one.records)
    if record is None:
        return None
    frame = _frame(record)
    last = frame.groupby("layer", sort=False)["units"].max()
    by_epochs = _length(record) > 1
    x_title = "epoch" if by_epochs else "experience"
    panels = tuple(_panel(str(layer), x_title) for layer in last.index)
    return Chart(
        "growth",
        "Growth of the columns",
        f"Units of the column that learns, layer by layer, seed {record.config.seed}: circle"
        " sprouts, triangle up grows, triangle down prunes, diamond merges; in the shaded time"
        " the grown column is consolidated.",
        frame,
        panels,
        columns=2,
        wide=True,
    )


def _first(records: tuple[Record, ...]) -> Record | None:
    """The plain run of CGaP with the smallest seed that has grown."""
    grown = [
        record
        for record in records
        if record.config.method == REFERENCE_METHOD
        and any(event["kind"] == "merge" for event in record.history)
    ]
    return min(grown, key=lambda r: (r.config.variant, r.config.seed), default=None)


def _length(record: Record) -> int:
    """Epochs of an experience, 1 where a run may end one before its last epoch."""
    training = record.config.training
    plateau = training.lr_schedule is LearningRateSchedule.PLATEAU
    return 1 if plateau else training.epochs


def _frame(record: Record) -> pd.DataFrame:
    """One row a (layer, event); `end` is that of the time that a row stands for."""
    rows: list[dict[str, Any]] = []
    length = _length(record)
    for number, events in enumerate(_columns(record.history)):
        whole = max(events[-1]["iteration"], 1)
        for event in events:
            start = (number + event["iteration"] / whole) * length
            rows += _rows(event, number + 1, start, start)
        grown = [event for event in events if event["kind"] == "grow"]
        pruned = [event for event in events if event["kind"] == "prune"]
        if grown and pruned:
            ends = [number + e["iteration"] / whole for e in (grown[-1], pruned[0])]
            last = grown[-1] | {"kind": CONSOLIDATE}
            rows += _rows(last, number + 1, ends[0] * length, ends[1] * length)
    return pd.DataFrame(rows)


def _columns(history: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The events of each column up to its merge."""
    columns: list[list[dict[str, Any]]] = [[]]
    for event in history:
        columns[-1].append(event)
        if event["kind"] == "merge":
            columns.append([])
    return [events for events in columns if events]


def _rows(
    event: dict[str, Any], experience: int, start: float, end: float
) -> list[dict[str, Any]]:
    return [
        {
            "layer": layer,
            "experience": experience,
            "event": event["kind"],
            "start": start,
            "end": end,
            "units": units,
        }
        for layer, units in event["widths"].items()
    ]


def _panel(layer: str, x_title: str) -> Panel:
    x = value("start", x_title, scale={"nice": False})
    shared = {"x": x, "y": value("units", "units", scale={"zero": True})}
    shaded = f"datum.event === '{CONSOLIDATE}'"
    layers = [
        {
            "transform": [{"filter": shaded}],
            "mark": {"type": "rect", "color": "#de8f05", "opacity": 0.25},
            "encoding": {"x": x, "x2": {"field": "end"}},
        },
        {
            "transform": [{"filter": f"!({shaded})"}],
            "encoding": shared,
            "layer": [_line(), _events()],
        },
    ]
    only = [{"filter": {"field": "layer", "equal": layer}}]
    return Panel(layer, {"transform": only, "layer": layers}, height=110, width=420)


def _line() -> dict[str, Any]:
    mark = {"type": "line", "interpolate": "step-after", "color": "gray"}
    return {"mark": mark, "encoding": {"detail": {"field": "experience"}}}


def _events() -> dict[str, Any]:
    event: dict[str, Any] = {"field": "event", "type": "nominal"}
    return {
        "mark": {"type": "point", "filled": True, "size": 45},
        "encoding": {
            "shape": event | {"scale": {"domain": list(KINDS), "range": list(KINDS.values())}},
            "color": event | {"scale": {"domain": list(KINDS), "range": list(COLOURS)}},
            "tooltip": told("experience", "event", "units", "start"),
        },
    }
