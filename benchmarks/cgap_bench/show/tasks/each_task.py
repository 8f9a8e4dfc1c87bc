"""What each task ends with: costs of its own network, where averages would hide it."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import pandas as pd

from cgap_bench.show.columns import Scale, TableColumn
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.tables import Table, column_cells
from cgap_bench.show.tasks.per_task import parameters_of

MOST = 10  # tasks that all have a column
PRICES = (
    TableColumn("parameters", "parameters", "", Scale.COUNT, ""),
    TableColumn("latency_ms", "latency", "ms", Scale.MEASURE, ""),
)


def each_task(one: Comparison) -> Table | None:
    """Parameters and latency of one inference of each task, mean over runs.

    Returns:
        The table, rows as in the comparison; None where there is a single task.
    """
    n = len(one.records[0].subnetworks[-1])
    if n == 1:
        return None
    shown, methods = _shown(n), [str(name) for name in one.summary["method"]]
    header, columns = ["method"], [methods]
    costs = costs_of_tasks(one)
    for column in PRICES:
        of_method = {name: costs[name][column.key] for name in methods}
        numbers = [choose(of_method[name]) for choose in shown.values() for name in methods]
        # formatted together: one prefix and as many decimals for all tasks
        every = {column.key: numbers, f"{column.key}_interval": math.nan}
        title, texts = column_cells(pd.DataFrame(every), column)
        unit = title.removeprefix(column.title)
        header += [f"{column.title}, {name}{unit}" for name in shown]
        width = len(methods)
        columns += [texts[i : i + width] for i in range(0, len(texts), width)]
    return Table(tuple(header), tuple(zip(*columns, strict=True)))


def costs_of_tasks(one: Comparison) -> dict[str, dict[str, list[float]]]:
    """Method -> price or parameters -> mean over runs for each task's final network."""
    sizes = parameters_of(one)
    costs = {key: {**price, "parameters": sizes[key]} for key, price in one.prices.items()}
    runs: dict[str, list[list[dict[str, float]]]] = defaultdict(list)
    for record in one.records:
        runs[one.labels[record.run_id]].append([costs[k] for k in record.subnetworks[-1]])
    return {
        method: {
            key: [
                math.fsum(cost[key] for cost in of_task) / len(of_task)
                for of_task in zip(*rows, strict=True)
            ]
            for key in rows[0][0]
        }
        for method, rows in runs.items()
    }


def _shown(n: int) -> dict[str, Callable[[Sequence[float]], float]]:
    """Title -> which of the numbers of n tasks: all, or of many the ends and the largest."""
    if n > MOST:
        return {"task 1": lambda v: v[0], "largest": max, f"task {n}": lambda v: v[-1]}
    return {f"task {k + 1}": lambda values, k=k: values[k] for k in range(n)}  # type: ignore[misc]
