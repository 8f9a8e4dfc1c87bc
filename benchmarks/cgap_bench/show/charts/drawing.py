"""Charts as files: SVG, PNG and PDF, byte for byte the same for the same data."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vl_convert

from cgap_bench.errors import UnknownNameError
from cgap_bench.show.charts.chart import Chart, Panel
from cgap_bench.show.charts.look import PRINT, config

VEGA_LITE = "6.4"
FORMATS = ("svg", "png", "pdf")
SCALE = 2.0  # pixels of a PNG a pixel of its SVG
_NAMES = re.compile(r"\b(gradient_|clip)\d+")
# Names of a PDF's resources come in the order of a hash table; readers do not mind theirs.
_RESOURCES = re.compile(rb"(?:^[ \t]*/(?:xo|gs|fo|sh|pa|p|f|s)\d+ \d+ 0 R\n)+", re.MULTILINE)


def drawn(chart: Chart, title: str, formats: tuple[str, ...] = FORMATS) -> dict[str, bytes]:
    """A chart with its legends and the title of what it is about.

    Args:
        chart: What to draw.
        title: Above it.
        formats: Some of `FORMATS`.

    Returns:
        Format -> content of the file.
    """
    svg = _numbered(vl_convert.vegalite_to_svg(whole_spec(chart, title), vl_version=VEGA_LITE))
    makers: dict[str, Callable[[], bytes]] = {
        "svg": svg.encode,
        "png": lambda: vl_convert.svg_to_png(svg, scale=SCALE),
        "pdf": lambda: _ordered(vl_convert.svg_to_pdf(svg)),
    }
    return {name: makers[name]() for name in formats}


def format_of(path: Path) -> str:
    """The format that a file's name asks for.

    Raises:
        UnknownNameError: It is none of `FORMATS`.
    """
    name = path.suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise UnknownNameError("kind of figure", name, FORMATS)
    return name


def whole_spec(chart: Chart, title: str) -> dict[str, Any]:
    """All panels as one document of Vega-Lite, data and looks included."""
    return {
        "title": {"text": title, "offset": 12},
        "data": chart.data,
        "columns": chart.columns,
        "concat": [_placed(panel) for panel in chart.panels],
        "config": config(PRINT),
        "padding": 10,
    }


def _placed(panel: Panel) -> dict[str, Any]:
    title = {"title": panel.title} if panel.title else {}
    return {**panel.spec, **title, "width": panel.width, "height": panel.height}


def _numbered(svg: str) -> str:
    """The same file with its names numbered from 0: Vega counts on from chart to chart."""
    numbers: dict[str, int] = {}
    return _NAMES.sub(lambda m: f"{m[1]}{numbers.setdefault(m[0], len(numbers))}", svg)


def _ordered(pdf: bytes) -> bytes:
    """The same file with the names of resources in order; no length changes."""
    return _RESOURCES.sub(lambda block: b"".join(sorted(block[0].splitlines(True))), pdf)
