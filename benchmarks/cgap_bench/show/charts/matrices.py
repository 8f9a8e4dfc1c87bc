"""The accuracy matrix of each method."""

from typing import Any

from cgap_bench.show.charts.chart import Chart, Panel, told
from cgap_bench.show.charts.look import crowded, ordered
from cgap_bench.show.comparison import Comparison

MAX_WRITTEN = 10  # tasks: beyond, numbers do not fit into their cells
CELL = 30  # pixels
BRIGHT = 0.55  # of the range of colours, from which on black is easier to read
SMALL = 0.7  # size where there are many


def matrices(one: Comparison) -> Chart:
    """Accuracy on every task after every experience, mean over seeds."""
    cells = one.tasks.groupby(["method", "experience", "task"])["accuracy"]
    means = cells.mean().reset_index()
    means["accuracy"] *= 100
    low, n = float(means["accuracy"].min()), int(means["task"].max())
    many = crowded(means["method"])
    return Chart(
        "matrices",
        "Accuracy matrices",
        "Each row is after one experience, each column a task; read down a column to see a task"
        " being forgotten. Percent, mean over seeds.",
        means,
        tuple(_panel(method, low, n, many) for method in ordered(means["method"])),
        columns=6 if many else 4,
    )


def _panel(method: str, low: float, n: int, small: bool) -> Panel:
    """One method: colours from the lowest accuracy of all, numbers where there is room."""
    place: dict[str, Any] = {"type": "ordinal", "scale": {"domain": list(range(1, n + 1))}}
    x = {**place, "field": "task", "axis": {"labelAngle": 0}}
    y = {**place, "field": "experience", "title": "after experience"}
    accuracy = {"field": "accuracy", "type": "quantitative"}
    scale = {"scheme": "viridis", "domain": [low, 100]}
    colour = {**accuracy, "title": "accuracy [%]", "scale": scale}

    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": colour}}]
    if n <= MAX_WRITTEN:
        number = {"text": {**accuracy, "format": ".0f"}, "color": ink_on(low)}
        layers.append({"mark": "text", "encoding": number})
    only = [{"filter": {"field": "method", "equal": method}}]
    shared = {"x": x, "y": y, "tooltip": told("experience", "task", "accuracy")}
    side = round(min(320, 60 + CELL * n) * (SMALL if small else 1))
    return Panel(method, {"transform": only, "encoding": shared, "layer": layers}, side, side)


def ink_on(low: float) -> dict[str, Any]:
    """Colour of digits on cells whose colours run from an accuracy to 100 %."""
    bright = f"datum.accuracy > {low + BRIGHT * (100 - low):.6g}"
    return {"condition": {"test": bright, "value": "black"}, "value": "white"}
