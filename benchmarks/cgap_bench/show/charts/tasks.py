"""What the subnetwork of each task costs."""

import pandas as pd

from cgap_bench.show.charts.chart import Chart, Panel, numbers, told, value
from cgap_bench.show.charts.look import encoded
from cgap_bench.show.columns import Scale
from cgap_bench.show.comparison import Comparison

PRICES = {
    "latency_ms": ("latency [ms]", Scale.MEASURE),
    "energy_mj": ("energy [mJ]", Scale.MEASURE),
    "macs": ("MACs", Scale.COUNT),
}


def task_costs(one: Comparison) -> Chart:
    """The price of one inference of every task after the last experience, mean over seeds."""
    names = one.labels
    rows = [
        {"method": names[record.run_id], "task": task + 1}
        | {key: one.prices[network][key] for key in PRICES}
        for record in one.records
        for task, network in enumerate(record.subnetworks[-1])
    ]
    frame = pd.DataFrame(rows).groupby(["method", "task"], as_index=False).mean()
    return Chart(
        "task-costs",
        "What each task's subnetwork costs",
        f"One inference of the task on {one.platform.title}, after the last experience, mean"
        " over seeds.",
        frame,
        tuple(_panel(frame, key, *named) for key, named in PRICES.items()),
    )


def _panel(frame: pd.DataFrame, key: str, title: str, scale: Scale) -> Panel:
    method = encoded(frame["method"])
    x = {"field": "task", "type": "ordinal", "axis": {"labelAngle": 0}}
    y = value(key, title, axis=numbers(scale))
    line = {"mark": {"type": "line", "opacity": 0.5}, "encoding": {"color": method["color"]}}
    point = {"mark": "point", "encoding": {"tooltip": told("method", "task", key), **method}}
    return Panel(
        title.partition(" [")[0], {"encoding": {"x": x, "y": y}, "layer": [line, point]}
    )
