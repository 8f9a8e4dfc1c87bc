"""Accuracy against storage and the price of an inference, and the methods that none beats."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cgap_bench.show.charts.chart import Chart, Panel, numbers, told, value
from cgap_bench.show.charts.look import crowded, encoded
from cgap_bench.show.columns import COLUMNS
from cgap_bench.show.comparison import Comparison

PRICES = ("parameters", "macs", "latency_ms", "energy_mj")
LOG_RATIO = 30.0  # prices further apart than this are shown on a logarithmic axis
CROWDED_RATIO = 3.0  # the same where there are many methods
ERRORS = [0, 0.5, 1, 2, 5, 10, 20, 50, 100]  # on the axis of crowded charts, in percent


def trade_off(one: Comparison) -> Chart:
    """A point a method with its intervals, and the Pareto front, for each price."""
    frame = _frame(one.summary)
    many = crowded(frame["method"])
    if many:
        for end in ("", "_low", "_high"):
            frame[f"error{end}"] = 100 - frame[f"accuracy{end}"]
    named = " They are named above it. Errors are drawn out near zero, where most methods are."
    return Chart(
        "trade-off",
        "Accuracy against price",
        "Up and to the left is better; bars are 95 % intervals over seeds. The grey line joins"
        " the methods that no other beats in both (Pareto front)." + (named if many else ""),
        frame,
        tuple(_panel(frame, key, many) for key in PRICES),
        columns=1 if many else 2,
        wide=many,
    )


def front(prices: Sequence[float], accuracies: Sequence[float]) -> list[bool]:
    """Which points no other beats: none is at least as good in both and better in one.

    Example:
        >>> front([1.0, 2.0, 3.0], [0.5, 0.9, 0.8])
        [True, True, False]
    """
    points = list(zip(prices, accuracies, strict=True))
    return [
        not any(p <= x and a >= y and (p, a) != (x, y) for p, a in points) for x, y in points
    ]


def _frame(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a method: means, ends of intervals, and whether it is on each front."""
    frame = pd.DataFrame({"method": summary["method"]})
    for key, factor in (("accuracy", 100), *((price, 1) for price in PRICES)):
        half = summary[f"{key}_interval"].fillna(0)
        frame[key] = factor * summary[key]
        frame[f"{key}_low"] = factor * (summary[key] - half)
        frame[f"{key}_high"] = factor * (summary[key] + half)
    frame["accuracy_high"] = frame["accuracy_high"].clip(upper=100)
    for price in PRICES:
        on_it = front(list(frame[price]), list(frame["accuracy"]))
        frame[f"{price}_front"] = [int(one) for one in on_it]
    return frame


def _panel(frame: pd.DataFrame, key: str, many: bool) -> Panel:
    column = next(column for column in COLUMNS if column.key == key)
    ratio = CROWDED_RATIO if many else LOG_RATIO
    far = frame[key].max() > ratio * frame[key].min()
    # From zero: what is half as far to the right costs half as much.
    room = {"nice": False, "padding": 20} if many else {}
    axis = {"scale": {"type": "log", **room} if far else {"zero": True}}
    axis |= {"axis": numbers(column.scale)}
    unit = f" [{column.unit}]" if column.unit else ""
    x = value(key, column.title + unit, **axis)
    y = _quality(many)
    quality = y["field"]

    method = encoded(frame["method"])
    marks: list[dict[str, Any]] = [
        {
            "transform": [{"filter": f"datum.{key}_front > 0"}],
            "mark": {"type": "line", "interpolate": "step-after", "opacity": 0.6},
            "encoding": {"x": x, "y": y, "color": {"value": "gray"}, "order": {"field": key}},
        },
        _interval({"x": x | {"field": f"{key}_low"}, "x2": {"field": f"{key}_high"}, "y": y}),
        _interval(
            {"x": x, "y": y | {"field": f"{quality}_low"}, "y2": {"field": f"{quality}_high"}}
        ),
        {
            "mark": {"type": "point"},
            "encoding": {"x": x, "y": y, "tooltip": told("method", "accuracy", key), **method},
        },
    ]
    for interval in marks[1:3]:
        interval["encoding"]["color"] = method["color"]
    if not many:
        return Panel(column.title, {"layer": marks})
    best = frame[frame[f"{key}_front"] > 0].sort_values(key)["method"]
    named = f"{column.title}, front: {', '.join(best)}"
    return Panel(named, {"layer": marks}, height=270, width=680)


def _interval(encoding: dict[str, Any]) -> dict[str, Any]:
    return {"mark": {"type": "rule", "opacity": 0.7}, "encoding": encoding}


def _quality(many: bool) -> dict[str, Any]:
    """The vertical axis: accuracy, or error where most of many methods are near none."""
    if not many:
        return value("accuracy", "accuracy [%]", scale={"zero": False})
    drawn_out = {"type": "symlog", "constant": 0.5, "reverse": True, "nice": False}
    ticks = {"values": ERRORS, "format": "~g"}
    return value("error", "error [%]", scale=drawn_out, axis=ticks)
