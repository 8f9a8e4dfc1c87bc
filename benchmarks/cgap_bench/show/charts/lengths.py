"""Accuracy against what training takes, where methods were trained for several lengths."""

import math
from collections.abc import Sequence

import pandas as pd

from cgap_bench.record.record import Record
from cgap_bench.show import derive, metrics, stats
from cgap_bench.show.charts.chart import Chart, Panel, numbers, told, value
from cgap_bench.show.charts.look import encoded
from cgap_bench.show.columns import Scale
from cgap_bench.show.comparison import Comparison


def over_lengths(one: Comparison) -> Chart | None:
    """A line a method, through all numbers of epochs that it was trained for.

    Returns:
        The chart, or None where no method was trained for more than one.
    """
    frame = _frame(one.records)
    if frame.empty:
        return None
    method = encoded(frame["method"])
    x = value("training_macs", "training multiply-adds", scale={"type": "log", "nice": False})
    x |= {"axis": numbers(Scale.COUNT)}
    y = value("accuracy", "accuracy [%]", scale={"zero": False})
    bar = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": method["color"]}
    shown = told("method", "epochs", "training_macs", "accuracy", "low", "high", "n")
    layers = [
        {"mark": {"type": "rule", "opacity": 0.7}, "encoding": bar},
        {"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "color": method["color"]}},
        {"mark": {"type": "point"}, "encoding": {"x": x, "y": y, "tooltip": shown, **method}},
    ]
    return Chart(
        "lengths",
        "Accuracy against training",
        "A point for each number of epochs; up and to the left is better, and what is flat has"
        " been trained to its end. Bars are 95 % intervals over seeds.",
        frame,
        (Panel("", {"layer": layers}, height=320, width=520),),
        wide=True,
    )


def _frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row a (method, epochs), in percent; of methods with several lengths."""
    names = derive.labels([_of_one_length(record) for record in records])
    runs = pd.DataFrame(
        {
            "method": names[record.run_id],
            "epochs": record.config.training.epochs,
            "accuracy": 100 * metrics.mean_accuracy(record.accuracy),
            "training_macs": sum(record.all_training_macs),
        }
        for record in records
        if record.training_macs
    )
    columns = ["method", "epochs", "training_macs", "accuracy", "low", "high", "n"]
    if runs.empty:
        return pd.DataFrame(columns=columns)
    several = runs.groupby("method")["epochs"].transform("nunique") > 1
    rows = []
    for (method, epochs), group in runs[several].groupby(["method", "epochs"]):
        point = stats.estimate(list(group["accuracy"]))
        spread = 0.0 if math.isnan(point.half_width) else point.half_width
        low, high = max(0.0, point.mean - spread), min(100.0, point.mean + spread)
        macs = group["training_macs"].mean()
        rows.append((method, epochs, macs, point.mean, low, high, point.n))
    return pd.DataFrame(rows, columns=columns)


def _of_one_length(record: Record) -> Record:
    """The same record, had its run had a single epoch: rows of a table are told by the rest."""
    training = record.config.training.model_copy(update={"epochs": 1})
    return record.model_copy(
        update={"config": record.config.model_copy(update={"training": training})}
    )
