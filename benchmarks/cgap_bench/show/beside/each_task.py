"""What each task ends with: costs of its own network, where averages would hide it."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from cgap_bench.record.record import Record
from cgap_bench.show.columns import Scale, TableColumn
from cgap_bench.show.tables import Table, column_cells

MOST = 10  # tasks that all have a column
PRICES = (
    TableColumn("weights", "weights", "", Scale.COUNT, ""),
    TableColumn("latency_ms", "latency", "ms", Scale.MEASURE, ""),
)


def each_task(
    records: Sequence[Record],
    names: Mapping[str, str],
    prices: Mapping[str, Mapping[str, float]],
    methods: Sequence[str],
) -> Table | None:
    """Weights and latency of one inference of each task, mean over seeds.

    Args:
        records: Of one comparison.
        names: Their labels.
        prices: Of the networks that they end with.
        methods: Rows, in order.

    Returns:
        The table; None where there is a single task.
    """
    n = len(records[0].subnetworks[-1])
    if n == 1:
        return None
    shown = _shown(n)
    header, columns = ["method"], [list(methods)]
    for column in PRICES:
        costs = {key: price[column.key] for key, price in prices.items()}
        of_method = _means(records, names, costs)
        numbers = [choose(of_method[name]) for choose in shown.values() for name in methods]
        # formatted together: one prefix and as many decimals for all tasks
        every = {column.key: numbers, f"{column.key}_interval": math.nan}
        title, texts = column_cells(pd.DataFrame(every), column)
        unit = title.removeprefix(column.title)
        header += [f"{column.title}, {name}{unit}" for name in shown]
        width = len(methods)
        columns += [texts[i : i + width] for i in range(0, len(texts), width)]
    return Table(tuple(header), tuple(zip(*columns, strict=True)))


def _shown(n: int) -> dict[str, Callable[[Sequence[float]], float]]:
    """Title -> which of the numbers of n tasks: all, or of many the ends and the largest."""
    if n > MOST:
        return {"task 1": lambda v: v[0], "largest": max, f"task {n}": lambda v: v[-1]}
    return {f"task {k + 1}": lambda values, k=k: values[k] for k in range(n)}  # type: ignore[misc]


def _means(
    records: Sequence[Record], names: Mapping[str, str], costs: Mapping[str, float]
) -> dict[str, list[float]]:
    """Method -> cost of the network of each task after the last experience."""
    runs: dict[str, list[list[float]]] = defaultdict(list)
    for record in records:
        runs[names[record.run_id]].append([costs[key] for key in record.subnetworks[-1]])
    return {
        name: [math.fsum(values) / len(values) for values in zip(*rows, strict=True)]
        for name, rows in runs.items()
    }
