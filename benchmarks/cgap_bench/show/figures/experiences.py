"""Accuracy over the experiences."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cgap_bench.show import stats
from cgap_bench.show.figures.look import (
    STYLE,
    blank_figure,
    end_at_hundred,
    label_size,
    legend,
    looks_of,
    ordered,
)


def over_experiences(tasks: pd.DataFrame, title: str) -> Figure | None:
    """Mean accuracy on the tasks seen so far after each experience, with intervals.

    Methods that were evaluated only at the end (joint training) appear as one point.

    Args:
        tasks: One row a (run, experience, task) (`derive.tasks_frame`).
        title: What was run.

    Returns:
        The figure, or None where no method was evaluated more than once.
    """
    seen = tasks[tasks["task"] <= tasks["experience"]]
    means = seen.groupby(["method", "seed", "experience"], as_index=False)["accuracy"].mean()
    if means["experience"].nunique() < 2:
        return None
    with mpl.rc_context(STYLE):
        width, height = label_size(means["method"])
        figure = blank_figure((5.7 + width, max(4.0, 0.5 + height)), title)
        axis = figure.subplots()

        looks = looks_of(means["method"])
        for method in ordered(means["method"]):
            _experience_line(axis, means[means["method"] == method], method, looks[method])

        axis.set(xlabel="after experience", ylabel="mean accuracy on the tasks seen [%]")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        end_at_hundred(axis)
        legend(figure, axis)
    return figure


def _experience_line(
    axis: Axes, group: pd.DataFrame, method: str, look: dict[str, Any]
) -> None:
    """One method's line with its interval over seeds as a band."""
    points = []
    x = sorted(set(group["experience"]))
    for experience in x:
        values = group.loc[group["experience"] == experience, "accuracy"]
        points.append(stats.estimate([100 * value for value in values]))
    axis.plot(x, [point.mean for point in points], label=method, **look)
    if not any(pd.isna(point.low) for point in points):  # one run says nothing about the spread
        low = [max(0, point.low) for point in points]
        high = [min(100, point.high) for point in points]
        axis.fill_between(x, low, high, alpha=0.12, color=look["color"], linewidth=0)
    axis.grid(visible=True, alpha=0.3)
