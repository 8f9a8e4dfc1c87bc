"""What is said of a run that has just been finished."""

from collections.abc import Mapping
from typing import Any

from cgap_bench.record.record import Record
from cgap_bench.show.metrics import mean_accuracy


def summary(record: Record) -> str:
    """``"accuracy 91.2 %, trained 12 s"``, and what checkpoints took."""
    train_s = sum(record.timings.get("train_s", []))
    if record.outcome is not None:
        return f"{record.outcome}, trained {train_s:.0f} s"
    trained = f"accuracy {100 * mean_accuracy(record.accuracy):.1f} %, trained {train_s:.0f} s"
    return trained + _checkpoints(record.timings.get("checkpoints"))


def _checkpoints(spent: Mapping[str, Any] | None) -> str:
    if not spent or not spent["n"]:
        return ""
    size = spent["largest_bytes"] / 1e6
    kept = f", {spent['n']} checkpoints of up to {size:.1f} MB in {spent['write_s']:.1f} s"
    return f"{kept}, resumed {spent['resumed']} x" if spent["resumed"] else kept
