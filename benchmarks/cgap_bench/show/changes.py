"""What a method saves of the dense network, as the paper that CGaP is from puts it."""

from typing import Any

import pandas as pd

from cgap_bench.show import stats
from cgap_bench.show.tables import Table, format_estimate

BASELINE = "fixed"  # the dense network
# benchmark -> network, changes in percent (Du et al. 2019, arXiv 1905.11530 and 1905.11533)
PUBLISHED: dict[str, tuple[str, dict[str, float]]] = {
    "cifar10": ("ResNet-110", {"parameters": -64.0, "macs": -63.3, "latency_ms": -40.2}),
    "cifar100": ("VGG-19", {"parameters": -78.9, "macs": -53.2}),
    "svhn": ("VGG-19", {"parameters": -85.8, "macs": -74.2}),
}
COLUMNS = {
    "parameters": "parameters",
    "macs": "MACs",
    "latency_ms": "latency",
    "dram_bytes": "DRAM traffic",
    "energy_mj": "energy",
    "training_macs": "training MACs",
}


def changes(runs: pd.DataFrame, benchmark: str) -> Table | None:
    """Every method against the dense network of the same seed, the published figures below.

    Percentages do not depend on whether a multiply-add counts as one operation or as two.

    Args:
        runs: One row a run (`derive.runs_frame`).
        benchmark: For the published figures.

    Returns:
        The table, or None without a dense network.
    """
    dense = runs[runs["method"] == BASELINE].set_index("seed")
    if dense.empty:
        return None
    columns = [key for key in COLUMNS if key in runs]
    rows = [
        (str(method), *_cells(group.set_index("seed"), dense, columns))
        for method, group in runs.groupby("method", sort=True)
        if method != BASELINE
    ]
    if benchmark in PUBLISHED:
        network, values = PUBLISHED[benchmark]
        told = (f"{values[key]:+.1f}" if key in values else "-" for key in columns)
        rows.append((f"published, {network}", "-", *told))
    header = (
        f"against {BASELINE}",
        "accuracy [points]",
        *(f"{COLUMNS[key]} [%]" for key in columns),
    )
    return Table(header, tuple(rows))


def _cells(method: pd.DataFrame, dense: pd.DataFrame, columns: list[str]) -> list[str]:
    """Differences over the seeds that both have; "-" where there are none."""
    seeds = method.index.intersection(dense.index)
    if seeds.empty:
        return ["-"] * (1 + len(columns))
    mine, theirs = method.loc[seeds], dense.loc[seeds]
    points = _estimate(100 * (mine["accuracy"] - theirs["accuracy"]), 2)
    return [points, *(_estimate(100 * (mine[k] / theirs[k] - 1), 1) for k in columns)]


def _estimate(values: Any, digits: int) -> str:
    """Mean with its sign, and the half-width of its 95 % interval where there is one."""
    estimate = stats.estimate([float(value) for value in values])
    text = format_estimate(estimate.mean, estimate.half_width, digits)
    return f"+{text}" if estimate.mean > 0 else text
