"""From records to numbers: what each run scored and what its inference costs on a board."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cgap_bench.record.identity import distinguishing
from cgap_bench.record.record import Record
from cgap_bench.show import metrics
from cgap_bench.show.memory import (
    capacity,
    mask_bytes,
    stored_bytes,
    stores_more,
    structured_costs,
)
from cgap_bench.show.versions import versions
from cgap_hw import Board, LayerShape, NetworkCost, network_cost

# Not measured by every run
OPTIONAL = ("accuracy_8bit", "accuracy_by_batch", "forward_transfer")
INFERENCE_COSTS = (
    "macs",
    "weights",
    "latency_ms",
    "conv_latency_ms",
    "linear_latency_ms",
    "energy_low_mj",
    "energy_mj",
    "energy_high_mj",
    "dram_bytes",
    "dram_energy_mj",
)


@dataclass(frozen=True)
class Platform:
    """What inference is priced on: a board and the word width of weights and activations."""

    board: Board
    bits: int = 8

    @property
    def title(self) -> str:
        """For captions, for instance ``"ZCU102, 8 bit"``."""
        return f"{self.board.name}, {self.bits} bit"

    def price(self, layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Cost of one inference of a network given as layer shapes: `INFERENCE_COSTS`."""
        return _numbers(self.cost(layers))

    def cost(self, layers: Sequence[Mapping[str, Any]]) -> NetworkCost:
        """The same with all that the cost model says, layer by layer."""
        shapes = [LayerShape.model_validate(layer) for layer in layers]
        return network_cost(shapes, self.board, bits=self.bits)


def runs_frame(
    records: Iterable[Record], platform: Platform, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row a run: which it is, its metrics and the prices of what it executes.

    The column ``method`` is the method's name, followed by the settings that tell it from
    other runs of the same method where there are several (`labels`). The column
    ``accuracy_8bit`` is there on hardware of 8 bits, ``accuracy_by_batch`` and
    ``forward_transfer``, if any of the runs measured it.

    Args:
        records: Of one comparison.
        platform: What inference is priced on.
        names: Their `labels`, where they are known.
    """
    known = list(records)
    prices: dict[str, dict[str, float]] = {}
    names, more = names or labels(known), any(map(stores_more, known))
    rows = []
    for record in known:
        for key in set(record.subnetworks[-1]) - prices.keys():
            prices[key] = platform.price(record.networks[key])
        row = _row(record, prices) | structured_costs(record, platform.price) | capacity(record)
        if more:  # then it is worth a column, for all
            row["stored_bytes"] = stored_bytes(record, platform.bits)
            row |= mask_bytes(record)
        rows.append(row | {"method": names[record.run_id]})
    frame = pd.DataFrame(rows)
    empty = [key for key in OPTIONAL if frame[key].isna().all()]
    if platform.bits != 8:
        empty.append("accuracy_8bit")
    return frame.drop(columns=empty)


def forward_transfer(record: Record) -> float:
    """Of one run, see `metrics.forward_transfer`; nan where nothing was measured for it."""
    if not record.accuracy_untrained:
        return math.nan
    ahead = metrics.with_ahead(record.accuracy, record.accuracy_before)
    return metrics.forward_transfer(ahead, record.accuracy_untrained)


def labels(records: Sequence[Record]) -> dict[str, str]:
    """Names the rows of a table: run_id -> method, told apart by all but seed and order.

    A variant of a preset is named by what it varies.
    """
    settings = _settings(records)
    by_method: dict[str, list[str]] = defaultdict(list)
    for record in records:
        variant = record.config.variant
        name = record.config.method + (f" ({variant})" if variant else "")
        by_method[name].append(record.run_id)
    varying = {
        method: _varying([settings[run] for run in runs]) for method, runs in by_method.items()
    }
    return {
        run: _label(method, settings[run], varying[method])
        for method, runs in by_method.items()
        for run in runs
    }


def tasks_frame(
    records: Iterable[Record], names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row a (run, experience, task) that was evaluated: its accuracy in [0, 1].

    Args:
        records: Of one comparison.
        names: Their `labels`, where they are known.
    """
    known = list(records)
    names = names or labels(known)

    rows = [
        {
            "method": names[record.run_id],
            "run": record.run_id,
            "seed": record.config.seed,
            "experience": i + 1,
            "task": j + 1,
            "accuracy": value,
        }
        for record in known
        for i, row in enumerate(record.accuracy)
        for j, value in enumerate(row)
        if value is not None
    ]
    return pd.DataFrame(rows)


def _row(record: Record, prices: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Everything derived from one record."""
    matrix = record.accuracy
    tasks = [prices[key] for key in record.subnetworks[-1]]

    identity = {
        "benchmark": record.config.benchmark,
        "preset": record.config.preset,
        "seed": record.config.seed,
        "order": json.dumps(record.config.stream.order_seed),
        "run_id": record.run_id,
        "accuracy": metrics.mean_accuracy(matrix),
        "accuracy_8bit": metrics.mean_accuracy([record.accuracy_8bit]),
        "accuracy_by_batch": metrics.mean_accuracy([record.accuracy_by_batch]),
        "later_accuracy": metrics.later_accuracy(matrix),
        "learning_accuracy": metrics.learning_accuracy(matrix),
        "forgetting": metrics.forgetting(matrix),
        "backward_transfer": metrics.backward_transfer(matrix),
        "forward_transfer": forward_transfer(record),
        "parameters": record.stored_parameters[-1],
        "macs_max": max(task["macs"] for task in tasks),
        "latency_max_ms": max(task["latency_ms"] for task in tasks),
    }

    means = {
        key: math.fsum(task[key] for task in tasks) / len(tasks) for key in INFERENCE_COSTS
    }
    in_all = sum(record.all_training_macs)
    trained = {"training_macs": in_all} if record.training_macs else {}
    return identity | trained | means


def _numbers(cost: NetworkCost) -> dict[str, float]:
    """The cost of one network as plain numbers, in the order of `INFERENCE_COSTS`."""
    values = (
        cost.macs,
        cost.n_weights,
        cost.latency_ms,
        cost.conv_latency_ms,
        cost.linear_latency_ms,
        cost.energy_mj.low,
        cost.energy_mj.mid,
        cost.energy_mj.high,
        cost.dram_bytes,
        math.fsum(part.mid for name, part in cost.energy_split_mj.items() if "dram" in name),
    )
    return dict(zip(INFERENCE_COSTS, values, strict=True))


def _settings(records: Sequence[Record]) -> dict[str, dict[str, str]]:
    """run_id -> flat settings without seed and order, with those of what it was sized by."""
    own = {record.run_id: _flat(record) for record in records}
    if not any(versions(records).values()):  # names say enough
        for key in ("network.fingerprint", "stream.fingerprint"):
            for settings in own.values():
                settings.pop(key, None)
    return {
        record.run_id: own[record.run_id]
        | {f"sized by {k}": v for k, v in own.get(record.depends_on or "", {}).items()}
        for record in records
    }


def _flat(record: Record) -> dict[str, str]:
    """The configuration as ``{"training.epochs": "3"}``, seed, order and method left out."""
    content = distinguishing(record.config)
    del content["seed"], content["method"], content["stream"]["order_seed"]
    flat: dict[str, str] = {}
    pending = list(content.items())
    for key, value in pending:  # which grows meanwhile
        if isinstance(value, dict):
            pending.extend((f"{key}.{inner}", v) for inner, v in value.items())
        else:
            text = _TEXTS.get(type(value), json.dumps)
            flat[key] = text(value)
    return flat


# As JSON has them, texts aside; a call of `json.dumps` for each takes ten times as long.
_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str,
    int: int.__repr__,
    float: float.__repr__,
    type(None): lambda _: "null",
}


def _varying(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Keys on which the given settings do not all agree, in their order."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if len({one.get(key, "-") for one in settings}) > 1]


def _label(method: str, settings: Mapping[str, str], varying: Sequence[str]) -> str:
    """``"ewc"``, or ``"ewc (strength=10)"`` where several settings of it are compared."""
    parts = [f"{key.partition('.')[2] or key}={settings.get(key, '-')}" for key in varying]
    return f"{method} ({', '.join(parts)})" if parts else method
