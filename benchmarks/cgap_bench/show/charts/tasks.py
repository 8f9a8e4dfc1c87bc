"""What the subnetwork of each task costs."""

import pandas as pd

from cgap_bench.show.charts.chart import Chart, Panel, grid, numbers, told, value
from cgap_bench.show.charts.look import crowded, encoded
from cgap_bench.show.columns import Scale
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.tasks.each_task import costs_of_tasks

PRICES = {
    "latency_ms": ("latency [ms]", Scale.MEASURE),
    "energy_mj": ("energy [mJ]", Scale.MEASURE),
    "macs": ("MACs", Scale.COUNT),
}

WRITTEN = {  # where there are many methods
    "latency_ms": PRICES["latency_ms"],
    "parameters": ("parameters executed", Scale.COUNT),
    "macs": PRICES["macs"],
}


def task_costs(one: Comparison) -> Chart:
    """The price of one inference of every task after the last experience, mean over seeds."""
    many = crowded(one.summary["method"])
    prices = WRITTEN if many else PRICES
    costs = costs_of_tasks(one)
    rows = [
        {"method": name, "task": task + 1} | {key: costs[name][key][task] for key in prices}
        for name in sorted(costs)
        for task in range(len(costs[name]["macs"]))
    ]
    frame = pd.DataFrame(rows)
    methods = [str(name) for name in one.summary["method"]]  # best accuracy first
    panels = tuple(
        _grid(frame, methods, key, *named) if many else _panel(frame, key, *named)
        for key, named in prices.items()
    )
    return Chart(
        "task-costs",
        "What each task's subnetwork costs",
        f"One inference of the task on {one.platform.title}, after the last experience, mean"
        " over seeds.",
        frame,
        panels,
        wide=many,
    )


def _grid(frame: pd.DataFrame, methods: list[str], key: str, title: str, scale: Scale) -> Panel:
    """Numbers, where lines would cover one another; columns are tasks."""
    written = ".3s" if scale is Scale.COUNT else ".3r"
    colours = {"type": "log", "scheme": "blues", "nice": False}
    return grid(frame, "task", methods, value(key, title, scale=colours, format=written))


def _panel(frame: pd.DataFrame, key: str, title: str, scale: Scale) -> Panel:
    method = encoded(frame["method"])
    x = {"field": "task", "type": "ordinal", "axis": {"labelAngle": 0}}
    y = value(key, title, axis=numbers(scale))
    line = {"mark": {"type": "line", "opacity": 0.5}, "encoding": {"color": method["color"]}}
    point = {"mark": "point", "encoding": {"tooltip": told("method", "task", key), **method}}
    return Panel(
        title.partition(" [")[0], {"encoding": {"x": x, "y": y}, "layer": [line, point]}
    )
