"""CGaP against each of the others."""

from collections.abc import Mapping

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgap_bench.show.figures.look import LINE_HEIGHT, STYLE, blank_figure, broken, label_size
from cgap_bench.show.stats import PairedDifference


def differences(compared: Mapping[str, PairedDifference], title: str) -> Figure | None:
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
        width, _ = label_size(compared)
        n_lines = max(len(broken(method).splitlines()) for method in compared)
        height = 1.2 + 1.1 * LINE_HEIGHT * n_lines * len(rows)
        figure = blank_figure((4.7 + width, height), title)

        axis = figure.subplots()
        axis.set_ylim(-0.6, len(rows) - 0.4)
        for place, (_, one) in enumerate(rows):
            _difference_line(axis, place, one)

        axis.axvline(0, color="0.4", linewidth=1)
        axis.set_yticks(range(len(rows)), [broken(method) for method, _ in rows])
        axis.set_xlabel(
            "accuracy of CGaP minus that of each row [points]\n"
            "line: 95 % interval, hollow if 0 is inside; ticks: extreme seeds"
        )
        axis.grid(visible=True, axis="x", alpha=0.3)
    return figure


def _difference_line(axis: Axes, place: int, one: PairedDifference) -> None:
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
