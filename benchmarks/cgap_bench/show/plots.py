"""Figures: accuracy against price, over experiences, per task, and against CGaP's."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from cgap_bench.show import stats, tables

PNG_DPI = 160
CHARACTERS_AN_INCH = 12  # of a title; narrower than what is drawn, of a label as well
LABEL_WIDTH = 36  # characters; longer names of methods are broken
LINE_HEIGHT = 0.2  # inches, of a line of the legend
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# In every figure the same colour and marker; other rows take what follows.
KNOWN = (
    "cgap", "warm", "independent", "fixed", "fixed-equal", "ewc", "joint", "shaped",
    "shaped-warm",
)  # fmt: skip
TRADE_OFFS = ("latency_ms", "macs", "parameters")
LOG_RATIO = 30.0  # prices further apart than this are shown on a logarithmic axis
# The same records give the same SVG, byte for byte, on one version of matplotlib.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "cgap-cl",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def trade_off(summary: pd.DataFrame, title: str) -> Figure:
    """Accuracy against latency, MACs and stored parameters, with intervals over seeds.

    Args:
        summary: One row a method (`tables.summarise`).
        title: What was run and on which board.
    """
    columns = {column.key: column for column in tables.COLUMNS}
    with mpl.rc_context(STYLE):
        width, height = _label_size(summary["method"])
        figure = _figure((3.1 * len(TRADE_OFFS) + 0.6 + width, max(3.6, 0.5 + height)), title)
        axes = figure.subplots(1, len(TRADE_OFFS), sharey=True)
        for axis, key in zip(axes, TRADE_OFFS, strict=True):
            _trade_off_panel(axis, summary, columns[key])
        axes[0].set_ylabel("accuracy [%]")
        _end_at_hundred(axes[0])
        _legend(figure, axes[0])
    return figure


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
        width, height = _label_size(means["method"])
        figure = _figure((5.7 + width, max(4.0, 0.5 + height)), title)
        axis = figure.subplots()
        looks = _looks(means["method"])
        for method in _ordered(means["method"]):
            _experience_line(axis, means[means["method"] == method], method, looks[method])
        axis.set(xlabel="after experience", ylabel="mean accuracy on the tasks seen [%]")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _end_at_hundred(axis)
        _legend(figure, axis)
    return figure


def per_task(tasks: pd.DataFrame, title: str) -> Figure:
    """Final accuracy on every task by method, mean over seeds, as an annotated grid.

    Args:
        tasks: One row a (run, experience, task) (`derive.tasks_frame`).
        title: What was run.
    """
    final = tasks[tasks["experience"] == tasks["experience"].max()]
    grid = 100 * final.pivot_table(index="method", columns="task", values="accuracy")
    grid = grid.loc[grid.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    with mpl.rc_context(STYLE):
        width, height = _label_size(grid.index)
        grid.index = grid.index.map(_broken)
        size = (0.9 + width + 0.55 * grid.shape[1], 1.2 + max(0.36 * grid.shape[0], height))
        figure = _figure((max(size[0], 4.5), size[1]), title)
        axis = figure.subplots()
        sns.heatmap(
            grid,
            ax=axis,
            annot=True,
            fmt=".1f",
            cmap="viridis",
            linewidths=0.5,
            annot_kws={"size": 8},
            cbar_kws={"label": "final accuracy [%]"},
        )
        axis.set(xlabel="task", ylabel="")
        axis.tick_params(axis="y", rotation=0)
    return figure


def differences(compared: Mapping[str, stats.Comparison], title: str) -> Figure | None:
    """By how much CGaP is ahead of each method: mean, interval, and the extremes of the seeds.

    Args:
        compared: CGaP's accuracy minus the method's (`tables.paired`).
        title: What was run.

    Returns:
        The figure, or None where nothing is compared.
    """
    if not compared:
        return None
    rows = sorted(compared.items(), key=lambda row: (row[1].difference.mean, row[0]))
    with mpl.rc_context(STYLE):
        width, _ = _label_size(compared)
        n_lines = max(len(_broken(method).splitlines()) for method in compared)
        figure = _figure((4.7 + width, 1.2 + 1.1 * LINE_HEIGHT * n_lines * len(rows)), title)
        axis = figure.subplots()
        axis.set_ylim(-0.6, len(rows) - 0.4)
        for place, (_, one) in enumerate(rows):
            _difference_line(axis, place, one)
        axis.axvline(0, color="0.4", linewidth=1)
        axis.set_yticks(range(len(rows)), [_broken(method) for method, _ in rows])
        axis.set_xlabel(
            "accuracy of CGaP minus that of each row [points]\n"
            "line: 95 % interval, hollow if 0 is inside; ticks: extreme seeds"
        )
        axis.grid(visible=True, axis="x", alpha=0.3)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.svg`` and ``stem.png``; the files hold no date."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    svg, png = stem.with_suffix(".svg"), stem.with_suffix(".png")
    with mpl.rc_context(STYLE):
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png, dpi=PNG_DPI)
    return [svg, png]


def _figure(size: tuple[float, float], title: str) -> Figure:
    """An empty figure that needs no display and no global state."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(title, int(CHARACTERS_AN_INCH * size[0])), fontsize=11)
    return figure


def _broken(name: str) -> str:
    """A long name of a method on several lines."""
    return textwrap.fill(name, LABEL_WIDTH, subsequent_indent="  ")


def _label_size(methods: Iterable[str]) -> tuple[float, float]:
    """Width and height in inches that the names of methods take, one below the other."""
    lines = [line for name in set(methods) for line in _broken(name).splitlines()]
    return 0.4 + max(map(len, lines)) / CHARACTERS_AN_INCH, LINE_HEIGHT * len(lines)


def _ordered(methods: Iterable[str]) -> list[str]:
    """CGaP first, the others by name: the same colours whatever it is compared with."""
    return sorted(set(methods), key=lambda name: (not _is_ours(name), name))


def _looks(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How each method is drawn."""
    others = [name for name in _ordered(methods) if name not in KNOWN]
    numbers = {name: number for number, name in enumerate((*KNOWN, *others))}
    return {name: _look(name, numbers[name]) for name in methods}


def _is_ours(method: str) -> bool:
    """Whether a row is CGaP's, with whatever settings."""
    return method.partition(" ")[0] == tables.REFERENCE


def _look(method: str, index: int) -> dict[str, Any]:
    """Colour and marker of the ``index``-th method, told apart without colour as well.

    Markers are hollow, so that methods with the same numbers can be told apart; that of CGaP
    is solid, smaller and on top.
    """
    palette = sns.color_palette("colorblind", len(MARKERS))
    again = index // len(MARKERS)  # the same colours with other markers
    ours = _is_ours(method)
    return {
        "color": palette[index % len(palette)],
        "marker": MARKERS[(index + again) % len(MARKERS)],
        "markersize": 5 if ours else 9,
        "markerfacecolor": None if ours else "none",
        "markeredgewidth": 1.5,
        "zorder": 3 if ours else 2,
    }


def _trade_off_panel(axis: Axes, summary: pd.DataFrame, column: tables.Column) -> None:
    """One panel: a point with error bars in both directions for each method."""
    looks = _looks(summary["method"])
    for number, method in enumerate(_ordered(summary["method"])):
        row = summary[summary["method"] == method].iloc[0]
        axis.errorbar(
            row[column.key],
            100 * row["accuracy"],
            xerr=_known(row[f"{column.key}_interval"]),
            yerr=_known(100 * row["accuracy_interval"]),
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
    if column.scale is tables.Scale.COUNT:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(f"{column.title} [{column.unit}]" if column.unit else column.title)
    axis.grid(visible=True, which="major", alpha=0.3)


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


def _difference_line(axis: Axes, place: int, one: stats.Comparison) -> None:
    """One method's row: hollow where the interval contains zero."""
    told = one.difference.low > 0 or one.difference.high < 0
    color = sns.color_palette("colorblind")[0]
    axis.errorbar(
        100 * one.difference.mean,
        place,
        xerr=[100 * one.difference.half_width],
        color=color,
        marker="o",
        markerfacecolor=color if told else "white",
        capsize=3,
        elinewidth=1.5,
    )
    extremes = [100 * one.smallest, 100 * one.largest]
    axis.plot(extremes, [place, place], color="0.2", marker="|", linestyle="none", zorder=3)


def _end_at_hundred(axis: Axes) -> None:
    """No accuracy beyond 100 %, but room for a marker that sits there."""
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, min(top, 100 + 0.03 * (100 - bottom)))


def _legend(figure: Figure, axis: Axes) -> None:
    """One legend for the whole figure, beside the panels."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(
        handles, [_broken(name) for name in names], loc="outside right center", frameon=False
    )


def _known(half_width: float) -> Sequence[float] | None:
    """An error bar, or none where one run says nothing about the spread."""
    return None if pd.isna(half_width) else [half_width]


def roofline(
    points: Sequence[tuple[str, float, float]], peak_gops: float, gbps: float, title: str
) -> Figure:
    """Layers under the two roofs of a board.

    Args:
        points: Kind, operations per DRAM byte and GOP/s of every layer.
        peak_gops: All multipliers busy, two operations a MAC.
        gbps: DRAM bandwidth that is reached, GB/s.
        title: The board.
    """
    with mpl.rc_context(STYLE):
        figure = _figure((5.2, 3.6), title)
        axis = figure.subplots()
        for marker, kind in zip(MARKERS, dict.fromkeys(kind for kind, _, _ in points)):
            of_kind = [(x, y) for k, x, y in points if k == kind]
            axis.scatter(*zip(*of_kind, strict=True), marker=marker, label=kind, zorder=3)
        ridge = peak_gops / gbps
        ends = [min([ridge, *(x for _, x, _ in points)]) / 2]
        ends.append(max([ridge, *(x for _, x, _ in points)]) * 2)
        roof = [min(peak_gops, gbps * x) for x in (ends[0], ridge, ends[1])]
        axis.plot((ends[0], ridge, ends[1]), roof, color="0.4", linewidth=1)
        axis.set(xscale="log", yscale="log", ylabel="GOP/s")
        axis.set_xlabel("operations per byte of DRAM traffic")
        axis.legend(frameon=False)
    return figure
