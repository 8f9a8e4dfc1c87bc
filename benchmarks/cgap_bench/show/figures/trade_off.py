"""Accuracy against what inference costs."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from cgap_bench.show.columns import COLUMNS, Scale, TableColumn
from cgap_bench.show.figures.look import (
    STYLE,
    blank_figure,
    end_at_hundred,
    error_bar,
    label_size,
    legend,
    looks_of,
    ordered,
)

TRADE_OFFS = ("latency_ms", "macs", "parameters")
LOG_RATIO = 30.0  # prices further apart than this are shown on a logarithmic axis


def trade_off(summary: pd.DataFrame, title: str) -> Figure:
    """Accuracy against latency, MACs and stored parameters, with intervals over seeds.

    Args:
        summary: One row a method (`tables.summarise`).
        title: What was run and on which board.
    """
    columns = {column.key: column for column in COLUMNS}
    with mpl.rc_context(STYLE):
        width, height = label_size(summary["method"])
        size = (3.1 * len(TRADE_OFFS) + 0.6 + width, max(3.6, 0.5 + height))
        figure = blank_figure(size, title)
        axes = figure.subplots(1, len(TRADE_OFFS), sharey=True)
        for axis, key in zip(axes, TRADE_OFFS, strict=True):
            _trade_off_panel(axis, summary, columns[key])
        axes[0].set_ylabel("accuracy [%]")
        end_at_hundred(axes[0])
        legend(figure, axes[0])
    return figure


def _trade_off_panel(axis: Axes, summary: pd.DataFrame, column: TableColumn) -> None:
    """One panel: a point with error bars in both directions for each method."""
    looks = looks_of(summary["method"])
    for number, method in enumerate(ordered(summary["method"])):
        row = summary[summary["method"] == method].iloc[0]
        axis.errorbar(
            row[column.key],
            100 * row["accuracy"],
            xerr=error_bar(row[f"{column.key}_interval"]),
            yerr=error_bar(100 * row["accuracy_interval"]),
            label=method,
            linestyle="none",
            capsize=2.5 + 1.5 * (number % 4),  # intervals at one price can be told apart
            elinewidth=1,
            **looks[method],
        )

    if summary[column.key].max() > LOG_RATIO * summary[column.key].min():
        axis.set_xscale("log")
    else:
        # From zero: what is half as far to the right costs half as much.
        axis.set_xlim(0, 1.12 * summary[column.key].max())
        axis.locator_params(axis="x", nbins=5)
    if column.scale is Scale.COUNT:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(f"{column.title} [{column.unit}]" if column.unit else column.title)
    axis.grid(visible=True, which="major", alpha=0.3)
