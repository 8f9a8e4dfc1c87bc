"""Layers under the two roofs of a board."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cgap_bench.show.charts.chart import Chart, Panel, told, value
from cgap_hw import Board, LayerCost, NetworkCost

X_TITLE, Y_TITLE = "operations per byte of DRAM traffic", "GOP/s"
ROOM = 2.0  # factor beyond the outermost points


def roofline(cost: NetworkCost, board: Board, title: str) -> Chart:
    """The layers of one network under the roofs of a board.

    Args:
        cost: Of the network.
        board: Whose DRAM it uses.
        title: The board.
    """
    frame = layer_points(cost)
    kinds = {"field": "kind", "type": "nominal", "title": None}
    told_by: dict[str, Any] = {"color": kinds, "shape": kinds}
    panel = under_roofs(list(frame["ops_per_byte"].dropna()), *roofs(cost, board), told_by)
    note = (
        "A layer on the slanted roof waits for DRAM, one under the flat roof for multipliers."
    )
    return Chart("roofline", title, note, frame, (panel,), columns=1)


def roofs(cost: NetworkCost, board: Board) -> tuple[float, float]:
    """GOP/s with all multipliers busy, two operations a MAC, and GB/s of DRAM reached."""
    return 2e-3 * cost.array.n_macs * cost.array.clock_mhz, board.dram.bytes_per_ns


def layer_points(cost: NetworkCost) -> pd.DataFrame:
    """One row a layer: its costs, and where it is under the roofs if it computes anything."""
    return pd.DataFrame([_point(layer) for layer in cost.layers])


def _point(layer: LayerCost) -> dict[str, Any]:
    n_ops = 2 * layer.macs
    under = n_ops > 0 and layer.dram_bytes > 0
    # Engines at work side by side add less to an image's time than they are busy.
    busy_ns = max(layer.latency_ns, layer.compute_ns, layer.memory_ns, 1e-9)
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "macs": layer.macs,
        "latency_ms": layer.latency_ns * 1e-6,
        "energy_mj": layer.energy_mj,
        "dram_bytes": layer.dram_bytes,
        "bound": layer.bound,
        "ops_per_byte": n_ops / layer.dram_bytes if under else math.nan,
        "gops": n_ops / busy_ns if under else math.nan,
    }


def under_roofs(
    positions: Sequence[float], peak_gops: float, gbps: float, told_by: Mapping[str, Any]
) -> Panel:
    """Points under the roofs.

    Args:
        positions: Operations per byte of all points.
        peak_gops: The flat roof.
        gbps: Slope of the other.
        told_by: Channels that tell the points apart.
    """
    ridge = peak_gops / gbps
    ends = (min([ridge, *positions]) / ROOM, ridge, max([ridge, *positions]) * ROOM)
    roof = [{"x": x, "y": min(peak_gops, gbps * x)} for x in ends]
    log = {"scale": {"type": "log"}, "axis": {"tickCount": 5, "format": "~g", "grid": False}}
    layers = [
        {
            "data": {"values": roof},
            "mark": {"type": "line", "color": "gray"},
            "encoding": {"x": value("x", X_TITLE, **log), "y": value("y", Y_TITLE, **log)},
        },
        {
            "transform": [{"filter": "isValid(datum.gops) && datum.gops > 0"}],
            "mark": "point",
            "encoding": {
                "x": value("ops_per_byte", X_TITLE, **log),
                "y": value("gops", Y_TITLE, **log),
                "tooltip": told("layer", "ops_per_byte", "gops", "bound"),
                **told_by,
            },
        },
    ]
    return Panel("roofline", {"layer": layers}, height=260)
