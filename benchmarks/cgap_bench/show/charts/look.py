"""The common look: one colour and shape a method in every chart, light and dark."""

from collections.abc import Iterable, Mapping
from typing import Any

from cgap_bench.record.configuration import REFERENCE_METHOD

# The "colorblind" palette of seaborn 0.13 (after Okabe and Ito 2008), the two that are hard to
# see on white darkened; a shape tells methods apart without colour as well.
COLOURS = (
    *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
    *("#ca9161", "#d670b5", "#8a8a8a", "#b8a800", "#56b4e9"),
)
SHAPES = (
    *("circle", "square", "triangle-up", "diamond"),
    *("cross", "triangle-down", "triangle-right"),
)
# In every chart the same colour and shape; other rows take what follows.
KNOWN = (
    *(REFERENCE_METHOD, "warm", "independent", "fixed", "fixed-equal"),
    *("ewc", "joint", "shaped", "shaped-warm"),
)
MANY = 20  # methods: as lines and marks they cover one another
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# What a chart draws with: names of the page's own colours there, fixed ones in files.
PAGE = {name: f"var(--{name})" for name in ("ink", "faint", "line", "paper")}
PRINT = {"ink": "#222222", "faint": "#666666", "line": "#d0d0d0", "paper": "#ffffff"}


def ordered(methods: Iterable[str]) -> list[str]:
    """CGaP first, the others by name: the same colours whatever it is compared with."""
    return sorted(set(methods), key=lambda name: (not _is_ours(name), name))


def looks_of(methods: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape of each method.

    Example:
        >>> looks_of(["ewc", "cgap"])["cgap"]
        ('#0173b2', 'circle')
    """
    others = [name for name in ordered(methods) if name not in KNOWN]
    numbers = {name: number for number, name in enumerate((*KNOWN, *others))}
    return {name: _look(numbers[name]) for name in ordered(methods)}


def encoded(methods: Iterable[str], shape: bool = True) -> dict[str, Any]:
    """The channels of Vega-Lite by which a method is told, with a legend.

    Args:
        methods: All that the chart shows.
        shape: Points are drawn; else colour alone.
    """
    looks = looks_of(methods)
    channels = {"color": 0, "shape": 1} if shape else {"color": 0}
    return {
        channel: {
            "field": "method",
            "type": "nominal",
            "title": None,
            "scale": {"domain": list(looks), "range": [look[i] for look in looks.values()]},
            "legend": {"labelLimit": 420, "columns": 1, "symbolLimit": 0, "symbolOpacity": 1},
        }
        for channel, i in channels.items()
    }


def config(colours: Mapping[str, str]) -> dict[str, Any]:
    """How Vega-Lite draws everything.

    Args:
        colours: `PAGE` or `PRINT`.
    """
    ink, faint, line = colours["ink"], colours["faint"], colours["line"]
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 11}
    text |= {"titleFontWeight": "normal"}  # one font in a file: a PDF has them in any order
    axis = {"gridColor": line, "domainColor": faint, "tickColor": faint}
    return {
        "font": FONT,
        "background": "transparent" if colours is PAGE else colours["paper"],
        "axis": text | axis | {"labelLimit": 220},
        "legend": text,
        "title": {"color": ink, "fontSize": 12, "fontWeight": "normal", "anchor": "start"},
        "view": {"stroke": None},
        "text": {"color": ink, "fontSize": 10},
        "rule": {"color": faint},
        "line": {"strokeWidth": 2},
        "point": {"filled": False, "size": 70, "strokeWidth": 2},
    }


def crowded(methods: Iterable[str]) -> bool:
    """Whether there are too many methods for a line or mark each."""
    return len(set(methods)) > MANY


def _is_ours(method: str) -> bool:
    """Whether a row is CGaP's, with whatever settings."""
    return method.partition(" ")[0] == REFERENCE_METHOD


def _look(number: int) -> tuple[str, str]:
    again = number // len(COLOURS)  # the same colours with other shapes
    return COLOURS[number % len(COLOURS)], SHAPES[(number + again) % len(SHAPES)]
