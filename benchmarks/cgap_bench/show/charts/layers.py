"""What each layer costs, and how far it is from what the board can do."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cgap_bench.record.configuration import REFERENCE_METHOD
from cgap_bench.record.record import Record
from cgap_bench.show.charts.chart import Chart, Panel, numbers, told, value
from cgap_bench.show.charts.look import encoded, ordered
from cgap_bench.show.charts.roofline import layer_points, roofs, under_roofs
from cgap_bench.show.columns import Scale
from cgap_bench.show.comparison import Comparison

N_METHODS = 5  # side by side
ROW = 18  # pixels


def layer_costs(one: Comparison) -> Chart:
    """Latency of every layer of the last task's network, and the roofline."""
    costs = {name: one.platform.cost(_last_network(record)) for name, record in _shown(one)}
    frame = pd.concat([layer_points(cost).assign(method=name) for name, cost in costs.items()])
    peak, gbps = roofs(next(iter(costs.values())), one.platform.board)
    shown = ordered(frame["method"])
    panels = (
        *(_bars(frame, method) for method in shown),
        under_roofs(list(frame["ops_per_byte"].dropna()), peak, gbps, encoded(shown)),
    )
    return Chart(
        "layers",
        "Layers and roofline",
        "Latency by layer of the last task's network, smallest seed, on"
        f" {one.platform.title}; energies are in the data. A layer on the slanted roof waits"
        " for DRAM, one under the flat roof for multipliers.",
        frame,
        panels,
    )


def _shown(one: Comparison) -> Iterator[tuple[str, Record]]:
    """The first run of CGaP, of what it is compared with by name, then of the most accurate."""
    names = one.labels
    first: dict[str, Record] = {}
    for record in sorted(one.records, key=lambda r: r.config.seed):
        first.setdefault(names[record.run_id], record)
    wanted = (REFERENCE_METHOD, *one.claims.named, "fixed", *one.summary["method"])
    for name in [name for name in dict.fromkeys(wanted) if name in first][:N_METHODS]:
        yield name, first[name]


def _last_network(record: Record) -> list[dict[str, Any]]:
    """Layer shapes of what the last task executes."""
    return record.networks[record.subnetworks[-1][-1]]


def _bars(frame: pd.DataFrame, method: str) -> Panel:
    names = list(dict.fromkeys(frame.loc[frame["method"] == method, "layer"]))
    furthest = float(frame["latency_ms"].max())  # one scale for all panels
    encoding = {
        "y": {"field": "layer", "type": "nominal", "sort": names, "title": None},
        "x": value(
            "latency_ms",
            "latency [ms]",
            axis=numbers(Scale.MEASURE),
            scale={"domain": [0, furthest]},
        ),
        "color": encoded(frame["method"], shape=False)["color"] | {"legend": None},
        "tooltip": told("layer", "kind", "latency_ms", "energy_mj", "macs", "bound"),
    }
    only = [{"filter": {"field": "method", "equal": method}}]
    spec = {"transform": only, "mark": "bar", "encoding": encoding}
    return Panel(method, spec, height=30 + ROW * len(names))
