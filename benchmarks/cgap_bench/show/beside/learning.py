"""What a method learns while it remembers, and what that takes: beside the comparison.

The comparison table tells how a stream ends; here is what happened on the way, run by run and
experience by experience.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cgap_bench.record.record import Record
from cgap_bench.show import derive, metrics, tables
from cgap_bench.show.columns import Scale, TableColumn
from cgap_bench.show.derive import Platform
from cgap_bench.show.memory import stored_bytes

JOINT, ALONE = "joint", "independent"
OLDER = (
    "The records are older than the count of passes beside training batches (importances,"
    " bases, exemplars): training MACs are without them."
)
COLUMNS = (
    TableColumn(
        "learning_accuracy",
        "when learnt",
        "%",
        Scale.PERCENT,
        "mean over tasks of the accuracy right after each was learnt (Riemer et al. 2019)",
    ),
    TableColumn(
        "backward_transfer",
        "backward transfer",
        "points",
        Scale.PERCENT,
        "final accuracy minus that, mean over all tasks but the last (Lopez-Paz and Ranzato"
        " 2017)",
    ),
    TableColumn(
        "forward_transfer",
        "forward transfer",
        "points",
        Scale.PERCENT,
        "accuracy just before a task is learnt minus that of the untrained network, mean over"
        " all tasks but the first (Lopez-Paz and Ranzato 2017)",
    ),
    TableColumn(
        "intransigence",
        "intransigence",
        "points",
        Scale.PERCENT,
        f"accuracy of `{JOINT}`, trained on all tasks at once, minus the accuracy when learnt"
        " (Chaudhry et al. 2018); negative where the method learns better",
    ),
    TableColumn(
        "plasticity",
        "plasticity",
        "%",
        Scale.PERCENT,
        f"accuracy when learnt as a share of that of `{ALONE}`, networks from scratch",
    ),
    TableColumn(
        "training_macs",
        "training MACs",
        "",
        Scale.COUNT,
        "multiply-adds of the whole training: a backward pass counts as two forward passes",
    ),
    TableColumn(
        "share_beside",
        "beside batches",
        "%",
        Scale.PERCENT,
        "the part of them beside training batches: passes for the importances of EWC and MAS,"
        " bases and projections of GPM and TRGP, exemplars of iCaRL, held-out images that"
        " training looks at; - where the records are older than this count and lack them",
    ),
    TableColumn(
        "train_s",
        "training time",
        "s",
        Scale.MEASURE,
        "wall time of the whole training, on the machine of the run",
    ),
)


@dataclass(frozen=True)
class Learning:
    """The table, what its columns mean, and what its numbers lack."""

    table: tables.Table
    columns: tuple[TableColumn, ...]
    note: str = ""


def learning(
    records: Sequence[Record], names: Mapping[str, str] | None = None
) -> Learning | None:
    """One row a method: `COLUMNS`, as far as records and references allow.

    Intransigence and plasticity are taken run by run, against the reference of the same seed
    and order; they are there if every run has one.

    Args:
        records: Of one comparison.
        names: Their labels, where they are known.

    Returns:
        The table, or None where there is a single experience.
    """
    if records[0].config.stream.n_experiences == 1:
        return None
    frame = pd.DataFrame(_rows(records, names or derive.labels(records)))
    summary = tables.summarise(frame)
    shown = tuple(column for column in COLUMNS if not summary[column.key].isna().all())
    cells = [tables.column_cells(summary, column) for column in shown]
    rows = tuple(
        (str(method), *(texts[i] for _, texts in cells))
        for i, method in enumerate(summary["method"])
    )
    header = ("method", *(title for title, _ in cells))
    keys = {column.key for column in shown}
    older = "training_macs" in keys and "share_beside" not in keys
    return Learning(tables.Table(header, rows), shown, OLDER if older else "")


def experiences_frame(
    records: Iterable[Record], platform: Platform, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row a (run, experience): scores so far, and what all tasks so far cost.

    Args:
        records: Of one comparison.
        platform: What inference is priced on.
        names: Their labels, where they are known.

    Returns:
        Accuracies and forgetting in [0, 1]; prices are means over the tasks so far, the latency
        also that of the dearest of them.
    """
    known = list(records)
    names = names or derive.labels(known)
    prices: dict[str, dict[str, float]] = {}
    rows = []
    for record in known:
        for key in record.networks.keys() - prices.keys():
            prices[key] = platform.price(record.networks[key])
        for i in range(len(record.subnetworks)):
            if not record.subnetworks[i]:  # `joint` learns all tasks in the last one
                continue
            row = {"method": names[record.run_id], "run": record.run_id, "experience": i + 1}
            rows.append(row | _after(record, i, prices, platform.bits))
    return pd.DataFrame(rows)


def _rows(records: Sequence[Record], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Everything of `COLUMNS`, one row a run."""
    joint, alone = (_references(records, name) for name in (JOINT, ALONE))
    return [
        {
            "method": names[record.run_id],
            "accuracy": metrics.mean_accuracy(record.accuracy),  # rows are sorted by it
            "learning_accuracy": metrics.learning_accuracy(record.accuracy),
            "backward_transfer": metrics.backward_transfer(record.accuracy),
            "forward_transfer": derive.forward_transfer(record),
            "intransigence": _against(
                record, joint, lambda mine, other: metrics.intransigence(mine, other[-1])
            ),
            "plasticity": _against(record, alone, metrics.plasticity),
            "training_macs": float(sum(record.all_training_macs)) or math.nan,
            "share_beside": _share_beside(record),
            "train_s": sum(record.timings.get("train_s", ())) or math.nan,
        }
        for record in records
    ]


def _share_beside(record: Record) -> float:
    """Of all multiply-adds of training, those beside its batches; nan where not counted."""
    total = sum(record.all_training_macs)
    return sum(record.macs_beside) / total if record.macs_beside and total else math.nan


def _references(records: Sequence[Record], method: str) -> dict[Any, metrics.Matrix]:
    """Seed and order -> matrix of the plain run of a method; none where several would do."""
    found: dict[Any, list[metrics.Matrix]] = {}
    for record in records:
        if record.config.method == method and not record.config.variant:
            found.setdefault(_pair(record), []).append(record.accuracy)
    return {key: matrices[0] for key, matrices in found.items() if len(matrices) == 1}


def _against(
    record: Record,
    references: Mapping[Any, metrics.Matrix],
    metric: Callable[[metrics.Matrix, metrics.Matrix], float],
) -> float:
    """A metric against the reference of the same seed and order, nan without one."""
    other = references.get(_pair(record))
    if other is None or len(other[-1]) != len(record.accuracy):
        return math.nan
    return metric(record.accuracy, other)


def _pair(record: Record) -> tuple[int, int | None]:
    return record.config.seed, record.config.stream.order_seed


def _after(
    record: Record, i: int, prices: Mapping[str, Mapping[str, float]], bits: int
) -> dict[str, float]:
    """Everything after experience ``i``, counted from 0."""
    so_far = [row[: i + 1] for row in record.accuracy[: i + 1]]
    tasks = [prices[key] for key in record.subnetworks[i]]
    means = {
        key: math.fsum(task[key] for task in tasks) / len(tasks)
        for key in ("macs", "latency_ms", "energy_mj")
    }
    means["latency_max_ms"] = max(task["latency_ms"] for task in tasks)
    return {
        "accuracy": metrics.mean_accuracy(so_far),
        "forgetting": metrics.forgetting(so_far),
        "parameters": record.stored_parameters[i],
        "stored_bytes": stored_bytes(record, bits, i),
        **means,
        "training_macs": record.all_training_macs[i] if record.training_macs else math.nan,
        "train_s": record.timings["train_s"][i] if "train_s" in record.timings else math.nan,
    }
