"""What a method saves of the dense network, as the paper that CGaP is from puts it."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from cgap_bench.record.record import Record
from cgap_bench.show import stats
from cgap_bench.show.derive import Platform, runs_frame
from cgap_bench.show.tables import Table, format_estimate
from cgap_hw import load_board

BASELINE = "fixed"  # the dense network
OURS = "cgap"
PAIR = ["seed", "order"]  # what two runs that are compared have in common
BOARDS = (
    "stratix-10-gx2800",
    "arria-10-gx1150",
    "zcu102",
)  # with arrays like those of Ma et al.
BITS = (8, 16)
# benchmark -> network, changes in percent (Du et al. 2019, arXiv 1905.11530 and 1905.11533)
PUBLISHED: dict[str, tuple[str, dict[str, float]]] = {
    "cifar10": (
        "ResNet-110",
        {
            "parameters": -64.0,
            "macs": -63.3,
            "latency_ms": -40.2,
            "dram_energy_mj": -11.8,
        },
    ),
    "cifar100": ("VGG-19", {"parameters": -78.9, "macs": -53.2}),
    "svhn": ("VGG-19", {"parameters": -85.8, "macs": -74.2}),
}
COLUMNS = {
    "parameters": "parameters",
    "macs": "MACs",
    "latency_ms": "latency",
    "dram_bytes": "DRAM traffic",
    "dram_energy_mj": "DRAM energy",
    "energy_mj": "energy",
    "training_macs": "training MACs",
}
PRICED = ("latency_ms", "dram_bytes", "dram_energy_mj", "energy_mj")  # what a board decides


def changes(runs: pd.DataFrame, benchmark: str) -> Table | None:
    """Every method against the dense network of the same seed and order, published ones below.

    Percentages do not depend on whether a multiply-add counts as one operation or as two.

    Args:
        runs: One row a run (`derive.runs_frame`).
        benchmark: For the published figures.

    Returns:
        The table, or None without a dense network.
    """
    dense = runs[runs["method"] == BASELINE].set_index(PAIR)
    if dense.empty:
        return None
    columns = [key for key in COLUMNS if key in runs]
    rows = [
        (str(method), *_cells(group.set_index(PAIR), dense, columns))
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


def on_boards(records: Sequence[Record]) -> Table | None:
    """CGaP against the dense network of the same seed and order on `BOARDS`, 8 and 16 bits.

    Returns:
        The table, or None without both.
    """
    compared = [record for record in records if record.config.method in (BASELINE, OURS)]
    rows = []
    for platform in platforms():
        runs = runs_frame(compared, platform) if compared else pd.DataFrame()
        if set(runs.get("method", ())) < {BASELINE, OURS}:
            return None
        by_method = {name: group.set_index(PAIR) for name, group in runs.groupby("method")}
        cells = _cells(by_method[OURS], by_method[BASELINE], PRICED)
        rows.append((platform.title, *cells[1:]))
    header = (f"{OURS} against {BASELINE}", *(f"{COLUMNS[key]} [%]" for key in PRICED))
    return Table(header, tuple(rows))


def platforms(boards: Sequence[str] = BOARDS) -> list[Platform]:
    """Each board at 8 and at 16 bits.

    Raises:
        UnknownNameError: There is no board of a name.
    """
    return [Platform(load_board(board), bits) for board in boards for bits in BITS]


def _cells(method: pd.DataFrame, dense: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Differences over the pairs of runs that there are; "-" where there are none."""
    pairs = method.index.intersection(dense.index)
    if pairs.empty:
        return ["-"] * (1 + len(columns))
    mine, theirs = method.loc[pairs], dense.loc[pairs]
    points = _estimate(100 * (mine["accuracy"] - theirs["accuracy"]), 2)
    return [points, *(_estimate(100 * (mine[k] / theirs[k] - 1), 1) for k in columns)]


def _estimate(values: Any, digits: int) -> str:
    """Mean with its sign, and the half-width of its 95 % interval where there is one."""
    estimate = stats.estimate([float(value) for value in values])
    text = format_estimate(estimate.mean, estimate.half_width or math.nan, digits)
    return f"+{text}" if estimate.mean > 0 else text
