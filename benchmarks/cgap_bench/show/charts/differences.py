"""CGaP against each of the others, pair by pair."""

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD
from cgap_bench.show.charts.chart import Chart, Panel, thinned, thinned_note, told, value
from cgap_bench.show.charts.look import encoded
from cgap_bench.show.comparison import Comparison

ROW = 26  # pixels


def differences(one: Comparison) -> Chart | None:
    """By how much CGaP is ahead of each method: mean, interval, and every pair of runs.

    Returns:
        The chart, or None where nothing is compared.
    """
    rows = [
        {
            "method": method,
            "difference": 100 * difference,
            "mean": 100 * pair.difference.mean,
            "low": 100 * pair.difference.low,
            "high": 100 * pair.difference.high,
        }
        for method, pair in one.pairs.items()
        for difference in pair.values
    ]
    if not rows:
        return None
    every = pd.DataFrame(rows).sort_values(["mean", "method"], kind="stable")
    frame = thinned(every, "difference")
    return Chart(
        "differences",
        "Paired differences",
        "Small dots are pairs of runs with the same seed and order of classes, the mark their"
        " mean, the line its 95 % interval: where it crosses the dashed line the sign is open."
        + thinned_note(frame, every),
        frame,
        (_panel(frame),),
        wide=True,
    )


def _panel(frame: pd.DataFrame) -> Panel:
    title = f"accuracy of {REFERENCE_METHOD} minus that of the row [points]"
    y = {"field": "method", "type": "nominal", "title": None, "sort": None}
    method = encoded(frame["method"])
    shared = {"y": y, "color": method["color"] | {"legend": None}}
    mean = {"x": value("mean", title), "shape": method["shape"] | {"legend": None}}
    mean |= {"tooltip": told("method", "mean", "low", "high")}
    each = {"x": value("difference", title), "tooltip": told("method", "difference")}
    ends = {"x": value("low", title), "x2": {"field": "high"}}
    layers = [
        {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0}}},
        {"mark": {"type": "circle", "size": 26, "opacity": 0.45}, "encoding": shared | each},
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": shared | ends},
        {"mark": {"type": "point", "size": 90}, "encoding": shared | mean},
    ]
    height = 30 + ROW * frame["method"].nunique()
    return Panel("", {"layer": layers}, height=height, width=480)
