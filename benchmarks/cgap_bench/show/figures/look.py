"""The common look: one colour and marker a method, titles and labels that fit, files alike."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cgap_bench.record.configuration import REFERENCE_METHOD

PNG_DPI = 160
CHARACTERS_AN_INCH = 12  # of a title; narrower than what is drawn, of a label as well
LABEL_WIDTH = 36  # characters; longer names of methods are broken
LINE_HEIGHT = 0.2  # inches, of a line of the legend
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# In every figure the same colour and marker; other rows take what follows.
KNOWN = (
    *(REFERENCE_METHOD, "warm", "independent", "fixed", "fixed-equal"),
    *("ewc", "joint", "shaped", "shaped-warm"),
)
# The same records give the same SVG, byte for byte, on one version of matplotlib.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "cgap-cl",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.svg`` and ``stem.png``; the files hold no date."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    svg, png = stem.with_suffix(".svg"), stem.with_suffix(".png")
    with mpl.rc_context(STYLE):
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png, dpi=PNG_DPI)
    return [svg, png]


def blank_figure(size: tuple[float, float], title: str) -> Figure:
    """An empty figure that needs no display and no global state."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(title, int(CHARACTERS_AN_INCH * size[0])), fontsize=11)
    return figure


def broken(name: str) -> str:
    """A long name of a method on several lines."""
    return textwrap.fill(name, LABEL_WIDTH, subsequent_indent="  ")


def label_size(methods: Iterable[str]) -> tuple[float, float]:
    """Width and height in inches that the names of methods take, one below the other."""
    lines = [line for name in set(methods) for line in broken(name).splitlines()]
    return 0.4 + max(map(len, lines)) / CHARACTERS_AN_INCH, LINE_HEIGHT * len(lines)


def ordered(methods: Iterable[str]) -> list[str]:
    """CGaP first, the others by name: the same colours whatever it is compared with."""
    return sorted(set(methods), key=lambda name: (not _is_ours(name), name))


def looks_of(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How each method is drawn."""
    others = [name for name in ordered(methods) if name not in KNOWN]
    numbers = {name: number for number, name in enumerate((*KNOWN, *others))}
    return {name: _look(name, numbers[name]) for name in methods}


def _is_ours(method: str) -> bool:
    """Whether a row is CGaP's, with whatever settings."""
    return method.partition(" ")[0] == REFERENCE_METHOD


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


def end_at_hundred(axis: Axes) -> None:
    """No accuracy beyond 100 %, but room for a marker that sits there."""
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, min(top, 100 + 0.03 * (100 - bottom)))


def legend(figure: Figure, axis: Axes) -> None:
    """One legend for the whole figure, beside the panels."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(
        handles, [broken(name) for name in names], loc="outside right center", frameon=False
    )


def error_bar(half_width: float) -> Sequence[float] | None:
    """An error bar, or none where one run says nothing about the spread."""
    return None if pd.isna(half_width) else [half_width]
