"""Accuracy over the experiences."""

import math

import pandas as pd

from cgap_bench.show import stats
from cgap_bench.show.charts.chart import Chart, Panel, grid, told, value
from cgap_bench.show.charts.look import crowded, encoded
from cgap_bench.show.charts.matrices import ink_on
from cgap_bench.show.comparison import Comparison


def over_experiences(one: Comparison) -> Chart | None:
    """Mean accuracy on the tasks seen so far after each experience, with intervals.

    Methods that were evaluated only at the end (joint training) appear as one point.

    Returns:
        The chart, or None where no method was evaluated more than once.
    """
    frame = _frame(one.tasks)
    if frame["experience"].nunique() < 2:
        return None
    if crowded(frame["method"]):
        return _grid(frame)
    method = encoded(frame["method"])
    x = {"field": "experience", "type": "ordinal", "axis": {"labelAngle": 0}}
    x |= {"title": "after experience"}
    y = value("accuracy", "mean accuracy on the tasks seen [%]", scale={"zero": False})
    marks = [
        {
            "mark": {"type": "area", "opacity": 0.13},
            "encoding": {
                "x": x,
                "y": y | {"field": "low"},
                "y2": {"field": "high"},
                "color": method["color"],
            },
        },
        {"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "color": method["color"]}},
        {
            "mark": {"type": "point"},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": told("method", "experience", "accuracy", "low", "high", "n"),
                **method,
            },
        },
    ]
    return Chart(
        "experiences",
        "Accuracy over experiences",
        "Mean accuracy on all tasks seen so far; bands are 95 % intervals over seeds.",
        frame,
        (Panel("", {"layer": marks}, height=320, width=520),),
        wide=True,
    )


def _grid(frame: pd.DataFrame) -> Chart:
    """The same where lines would cover one another: numbers, the best at the end on top."""
    last = frame[frame["experience"] == frame["experience"].max()]
    methods = last.sort_values("accuracy", ascending=False, kind="stable")["method"]
    low = float(frame["accuracy"].min())
    scale = {"scheme": "viridis", "domain": [low, 100]}
    title = "mean accuracy on the tasks seen [%], after experience"
    number = value("accuracy", title, scale=scale, format=".1f")
    return Chart(
        "experiences",
        "Accuracy over experiences",
        "Mean accuracy on all tasks seen so far, mean over seeds; intervals are in the data.",
        frame,
        (grid(frame, "experience", list(methods), number, ink_on(low)),),
        wide=True,
    )


def _frame(tasks: pd.DataFrame) -> pd.DataFrame:
    """One row a (method, experience): mean and interval in percent over runs."""
    seen = tasks[tasks["task"] <= tasks["experience"]]
    runs = seen.groupby(["method", "run", "experience"], as_index=False)["accuracy"].mean()
    rows = []
    for (method, experience), group in runs.groupby(["method", "experience"]):
        point = stats.estimate([100 * value for value in group["accuracy"]])
        spread = 0.0 if math.isnan(point.half_width) else point.half_width
        low, high = max(0.0, point.mean - spread), min(100.0, point.mean + spread)
        rows.append((method, experience, point.mean, low, high, point.n))
    return pd.DataFrame(rows, columns=["method", "experience", "accuracy", "low", "high", "n"])
