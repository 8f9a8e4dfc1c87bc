"""Networks timed on boards by others: the rows of ``measured_networks.csv``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True)
class MeasuredNetwork:
    """One case as published; None is not stated.

    Attributes:
        engine: ``DPU`` or ``FINN``.
        size: Of the DPU; that of the Ultra96 is inferred.
        cores: Inferred from how the rate grows with threads (ZCU104: not at all).
        size_left_ratio: How much pruning left, as published.
        threads_or_batch: Images under way at once; 0 where only the highest rate is stated.
        fps: Images a second.
        base_w: Power of the board without a design.
        idle_w: With the design, idle.
        full_w: While it runs.
    """

    source: str
    board: str
    engine: str
    size: str
    cores: int
    bits: int
    network: str
    size_left_ratio: float
    threads_or_batch: int
    latency_ms: float | None
    fps: float
    base_w: float | None
    idle_w: float | None
    full_w: float | None

    @property
    def increment_w(self) -> float | None:
        """Power beyond idle."""
        if self.full_w is None or self.idle_w is None:
            return None
        return self.full_w - self.idle_w


def measured_networks(engine: str) -> list[MeasuredNetwork]:
    """All rows of an engine, in the order of the file."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return [_row(row) for row in csv.DictReader(file) if row["engine"] == engine]


def _row(row: dict[str, str]) -> MeasuredNetwork:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return MeasuredNetwork(
        source=row["source"],
        board=row["board"],
        engine=row["engine"],
        size=row["size"],
        cores=int(row["cores"] or 1),
        bits=int(row["bits"]),
        network=row["network"],
        size_left_ratio=float(row["size_left_ratio"]),
        threads_or_batch=int(row["threads_or_batch"] or 0),
        latency_ms=number("latency_ms"),
        fps=float(row["fps"]),
        base_w=number("base_w"),
        idle_w=number("idle_w"),
        full_w=number("full_w"),
    )
