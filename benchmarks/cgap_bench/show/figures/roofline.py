"""Layers under the two roofs of a board."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from cgap_bench.show.figures.look import MARKERS, STYLE, blank_figure


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
        figure = blank_figure((5.2, 3.6), title)
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
