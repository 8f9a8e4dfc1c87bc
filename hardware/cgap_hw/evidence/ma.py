"""Whole networks as Ma et al. report them on their arrays, and as modelled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cgap_hw.arrays import OutputStationary
from cgap_hw.boards.board import Board, load_board
from cgap_hw.evidence.measured import read_facts
from cgap_hw.evidence.zoo import NETWORKS, network
from cgap_hw.price.cost import NetworkCost, network_cost

BOARDS = {"Arria 10 GX1150": "arria-10-gx1150", "Stratix V GXA7": "stratix-v-gxa7"}
SIZE = re.compile(r"(\d+)x(\d+)x(\d+)")
METRICS = ("latency", "throughput")
RECALLED = "recalled-unverified"


@dataclass(frozen=True)
class MaRow:
    """One reported time of one image, 16 bits, and the modelled one."""

    source: str
    board: str
    size: tuple[int, int, int]
    clock_mhz: float
    network: str
    provenance: str
    measured_ms: float
    predicted_ms: float

    @property
    def error_pct(self) -> float:
        """Error of the throughput, as the papers state it: predicted minus reported."""
        return 100 * (self.measured_ms / self.predicted_ms - 1)

    @property
    def recalled(self) -> bool:
        """Whether nobody has checked the number."""
        return self.provenance == RECALLED


def ma_rows(boards_csv: Path) -> list[MaRow]:
    """Every report that names an array we can set up and a network we have, in file order.

    A time in ms where there is one, else the operations of the network over the GOP/s.

    Raises:
        CostModelError: The file cannot be read.
    """
    rows: dict[tuple[str, ...], MaRow] = {}
    for row in read_facts(boards_csv):
        size = SIZE.search(row["design"])
        can_price = row["board"] in BOARDS and row["network"] in NETWORKS
        by_ma = row["source"].startswith("Ma et al.") and row["metric"] in METRICS
        if size and can_price and by_ma:
            key = tuple(row[k] for k in ("source", "board", "network", "provenance"))
            sizes = (int(size[1]), int(size[2]), int(size[3]))
            if key not in rows or row["metric"] == "latency":
                rows[key] = _row(row, sizes)
    return list(rows.values())


def ma_cost(
    name: str, size: tuple[int, int, int], clock_mhz: float, board: Board
) -> NetworkCost:
    """A network at 16 bits, linear layers included.

    Their buffers hold the weights or the pixels of a layer so that every word is read once,
    row halos apart; the best of our tile orders does the same where the buffers allow it.
    Linear layers fill all multipliers: with a weight a cycle for each of 16 output channels
    alone, those of VGG-16 would take longer than the whole network is quoted with.
    """
    array = OutputStationary(
        pox=size[0],
        poy=size[1],
        pof=size[2],
        full_linear=True,
        clock_mhz=clock_mhz,
        source="Ma et al.",
    )
    return network_cost(network(name), board, array, bits=16)


def _measured_ms(row: dict[str, str], macs: int) -> float:
    """Time as reported, or two operations a MAC over 10^9 operations a second, in ms."""
    value = float(row["value"])
    return value if row["metric"] == "latency" else 2e-6 * macs / value


def _row(row: dict[str, str], size: tuple[int, int, int]) -> MaRow:
    clock = float(row["clock_mhz"])
    cost = ma_cost(row["network"], size, clock, load_board(BOARDS[row["board"]]))
    return MaRow(
        source=row["source"],
        board=row["board"],
        size=size,
        clock_mhz=clock,
        network=row["network"],
        provenance=row["provenance"],
        measured_ms=_measured_ms(row, cost.macs),
        predicted_ms=cost.latency_ms,
    )
