"""Whether our runs give a published number."""

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cgap_bench.record.identity import distinguishing
from cgap_bench.record.record import Record
from cgap_bench.show import metrics, stats
from cgap_bench.show.cells.published import Cell, cells
from cgap_bench.show.tables import Table, format_estimate

ENOUGH = 5  # runs beside a published mean


class Verdict(StrEnum):
    """What came of it."""

    VERIFIED = "verified"
    WITHIN_INTERVAL = "within the interval"
    ABOVE = "above"
    BELOW = "below"
    FEW = "too few runs"
    NOT_RUN = "not run"
    CANNOT = "cannot be run here"


@dataclass(frozen=True)
class Outcome:
    """A cell beside our runs of it.

    Attributes:
        cell: What was published.
        ours: Mean accuracy after the last experience, in percent; None without runs.
    """

    cell: Cell
    ours: stats.Estimate | None

    @property
    def verdict(self) -> Verdict:
        """Of `ENOUGH` runs: within the tolerance, or what else."""
        if self.ours is None:
            return Verdict.CANNOT if self.cell.why_not else Verdict.NOT_RUN
        if self.ours.n < ENOUGH:
            return Verdict.FEW
        off = self.ours.mean - self.cell.number.value
        if abs(off) <= self.cell.table.tolerance:
            return Verdict.VERIFIED
        if abs(off) <= self.ours.half_width:
            return Verdict.WITHIN_INTERVAL
        return Verdict.ABOVE if off > 0 else Verdict.BELOW

    @property
    def row(self) -> tuple[str, ...]:
        """Its row in the table of all."""
        cell, ours = self.cell, self.ours
        number = cell.number
        reason = f": {cell.why_not}" if self.verdict is Verdict.CANNOT else ""
        return (
            cell.name,
            cell.table.protocol,
            format_estimate(number.value, number.spread or float("nan"), 2),
            f"{number.rerun:.2f}" if number.rerun is not None else "-",
            format_estimate(ours.mean, ours.half_width, 2) if ours else "-",
            str(ours.n) if ours else "0",
            f"{ours.mean - number.value:+.2f}" if ours else "-",
            f"{self.verdict}{reason}",
        )


def outcome(cell: Cell, records: Iterable[Record]) -> Outcome:
    """A cell beside those of the records that are runs of it.

    Where records of several settings could be meant, since one that the cell does not name
    differs, the most numerous ones are.
    """
    alike: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.outcome is None and is_run_of(cell, record):
            content = distinguishing(record.config) | {"seed": None}
            value = 100 * metrics.mean_accuracy(record.accuracy)
            alike[json.dumps(content, sort_keys=True)].append(value)
    if not alike:
        return Outcome(cell, None)
    return Outcome(cell, stats.estimate(max(alike.values(), key=len)))


def is_run_of(cell: Cell, record: Record) -> bool:
    """Whether a record is one of the runs that a cell asks for, whatever its seed."""
    config = record.config
    named = (config.benchmark, config.preset, config.method)
    if named != (cell.table.benchmark, cell.preset, cell.method):
        return False
    if config.variant or config.tuning.file:
        return False
    content = config.model_dump(mode="json")
    content[config.method] = content["method_settings"]
    return all(_has(content, override) for override in cell.overrides)


def table_of_cells(records: Sequence[Record]) -> Table:
    """Every published number beside ours."""
    header = (
        "cell",
        "protocol",
        "published [%]",
        "LibContinual's run [%]",
        "ours [%]",
        "runs",
        "difference [points]",
        "verdict",
    )
    return Table(header, tuple(outcome(cell, records).row for cell in cells().values()))


def _has(content: dict[str, object], override: str) -> bool:
    key, _, text = override.partition("=")
    try:
        wanted: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        wanted = text
    value: object = content
    for part in key.strip().split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value == wanted
