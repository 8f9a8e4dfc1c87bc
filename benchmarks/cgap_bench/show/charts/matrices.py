"""The accuracy matrix of each method."""

from typing import Any

from cgap_bench.show.charts.chart import Chart, Panel, told
from cgap_bench.show.charts.look import ordered
from cgap_bench.show.comparison import Comparison

MAX_WRITTEN = 10  # tasks: beyond, numbers do not fit into their cells
CELL = 30  # pixels
BRIGHT = 0.55  # of the range of colours, from which on black is easier to read


def matrices(one: Comparison) -> Chart:
    """Accuracy on every task after every experience, mean over seeds."""
    cells = one.tasks.groupby(["method", "experience", "task"])["accuracy"]
    means = cells.mean().reset_index()
    means["accuracy"] *= 100
    low, n = float(means["accuracy"].min()), int(means["task"].max())
    return Chart(
        "matrices",
        "Accuracy matrices",
        "Each row is after one experience, each column a task; read down a column to see a task"
        " being forgotten. Percent, mean over seeds.",
        means,
        tuple(_panel(method, low, n) for method in ordered(means["method"])),
        columns=4,
    )


def _panel(method: str, low: float, n: int) -> Panel:
    """One method: colours from the lowest accuracy of all, numbers where there is room."""
    place: dict[str, Any] = {"type": "ordinal", "scale": {"domain": list(range(1, n + 1))}}
    x = {**place, "field": "task", "axis": {"labelAngle": 0}}
    y = {**place, "field": "experience", "title": "after experience"}
    accuracy = {"field": "accuracy", "type": "quantitative"}
    scale = {"scheme": "viridis", "domain": [low, 100]}
    colour = {**accuracy, "title": "accuracy [%]", "scale": scale}
    bright = f"datum.accuracy > {low + BRIGHT * (100 - low):.6g}"

    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": colour}}]
    if n <= MAX_WRITTEN:
        ink = {"condition": {"test": bright, "value": "black"}, "value": "white"}
        number = {"text": {**accuracy, "format": ".0f"}, "color": ink}
        layers.append({"mark": "text", "encoding": number})
    only = [{"filter": {"field": "method", "equal": method}}]
    shared = {"x": x, "y": y, "tooltip": told("experience", "task", "accuracy")}
    side = min(320, 60 + CELL * n)
    return Panel(method, {"transform": only, "encoding": shared, "layer": layers}, side, side)
