"""Task by task: what a run scored on each, and what inference of it costs in the end."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from cgap_bench.record.record import AHEAD, BY_BATCH, IN_8_BITS, Record
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.memory import stored_bytes
from cgap_hw import LayerShape

OPTIONAL = (IN_8_BITS, BY_BATCH, *AHEAD)  # not measured by every run
PRICES = ("macs", "latency_ms", "energy_mj")


def per_task_frame(one: Comparison) -> pd.DataFrame:
    """One row a (run, task), tasks counted from 1 in the order learnt.

    Args:
        one: Its runs that came to their end.

    Returns:
        Accuracies in [0, 1]: when just learnt and after the last experience and, as far as any
        run measured it, before any training, just before the task was learnt, at 8 bits and by
        batch statistics; nan where a run did not. ``parameters`` (biases included, batch norms
        folded), MACs, latency and energy are those of the network that one inference of the
        task executes after the last experience. ``stored_bits`` is all that was stored for this
        task and those before once it was learnt: the last task's row has what the run stores in
        the end.
    """
    sizes = parameters_of(one)
    rows = [
        {
            "method": one.labels[record.run_id],
            "run": record.run_id,
            "seed": record.config.seed,
            "order": json.dumps(record.config.stream.order_seed),
            "task": task + 1,
        }
        | _scores(record, task)
        | {"parameters": sizes[key]}
        | {price: one.prices[key][price] for price in PRICES}
        | {"stored_bits": 8 * stored_bytes(record, one.platform.bits, _learnt_in(record, task))}
        for record in one.records
        for task, key in enumerate(record.subnetworks[-1])
    ]
    frame = pd.DataFrame(rows)
    return frame.drop(columns=[key for key in OPTIONAL if frame[key].isna().all()])


def parameters_of(one: Comparison) -> dict[str, int]:
    """Hash of a network -> its parameters, for all that tasks end with."""
    networks = {
        key: record.networks[key] for record in one.records for key in record.subnetworks[-1]
    }
    return {key: n_parameters(layers) for key, layers in networks.items()}


def n_parameters(layers: Iterable[Mapping[str, Any]]) -> int:
    """Weights and biases of a network given as layer shapes."""
    return sum(LayerShape.model_validate(layer).parameters for layer in layers)


def _scores(record: Record, task: int) -> dict[str, float]:
    """All accuracies on one task, in the order that they were measured."""
    values = {
        "accuracy_untrained": _of(record.accuracy_untrained, task),
        "accuracy_before": _of(record.accuracy_before, task),
        "accuracy_learnt": record.accuracy[task][task],
        "accuracy": record.accuracy[-1][task],
        "accuracy_8bit": _of(record.accuracy_8bit, task),
        "accuracy_by_batch": _of(record.accuracy_by_batch, task),
    }
    return {key: math.nan if value is None else value for key, value in values.items()}


def _of(values: list[float | None], task: int) -> float | None:
    return values[task] if values else None


def _learnt_in(record: Record, task: int) -> int:
    """Experience after which a task was first measured: where all wait, the last one."""
    return next(i for i, row in enumerate(record.accuracy) if row[task] is not None)
