"""Files of charts: of the format asked for, the same each time."""

from pathlib import Path

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.show.charts.all_charts import CHARTS, charts_of
from cgap_bench.show.charts.drawing import drawn, format_of
from cgap_bench.show.charts.matrices import matrices
from cgap_bench.show.files import FIGURES


@pytest.mark.parametrize("kind", ["trade-off", "matrices"])  # points and lines; a gradient
def test_drawing_twice_gives_the_same_bytes(comparison, kind):
    chart = CHARTS[kind](comparison)
    once = drawn(chart, "title")
    drawn(matrices(comparison), "another in between")
    assert drawn(chart, "title") == once


def test_formats(comparison):
    files = drawn(CHARTS["experiences"](comparison), "what was run")
    assert files["svg"].startswith(b"<svg")
    assert b"what was run" in files["svg"]
    assert files["png"].startswith(b"\x89PNG")
    assert files["pdf"].startswith(b"%PDF")


def test_names_of_files_are_those_of_charts(comparison):
    assert tuple(CHARTS) == FIGURES
    assert {chart.name for chart in charts_of(comparison)} <= set(FIGURES)


def test_an_unknown_format_is_refused():
    assert format_of(Path("a/b.PDF")) == "pdf"
    with pytest.raises(UsageError, match="unknown kind of figure 'gif'"):
        format_of(Path("a.gif"))
