"""Markers of pages that ask for something else than there is."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.show import report
from cgap_bench.show.measurements import write_measurements

BOARD = "zcu102"


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("<!-- generated: tabel toy-standard --><!-- end -->", "'tabel'.*did you mean 'table'"),
        ("<!-- generated: table toy-standart --><!-- end -->", "did you mean 'toy-standard'"),
        ("<!-- generated: value toy-standard cgap --><!-- end -->", "takes 3 words, not 2"),
        (
            "<!-- generated: value toy-standard cgap acuracy --><!-- end -->",
            "mean 'accuracy'",
        ),
        (
            "<!-- generated: value toy-standard cgab accuracy --><!-- end -->",
            "did you mean 'cgap'",
        ),
        ("<!-- generated: figure toy-standard trade --><!-- end -->", "mean 'trade-off'"),
        ("<!-- generated: table toy-standard -->", "has no '<!-- end -->'"),
        ("<!-- generated: measured sped ratio --><!-- end -->", "did you mean 'speed'"),
        ("<!-- generated: measured speed ration --><!-- end -->", "did you mean 'ratio'"),
    ],
)
def test_bad_markers_are_named_and_nothing_is_written(out, marker, message):
    write_measurements("speed", {"ratio": 0.5}, {}, out)
    page = out.parent / "README.md"
    page.write_text(marker)
    with pytest.raises(UsageError, match=message):
        report.rebuild(BOARD, out)
    assert page.read_text() == marker
    assert not (out / "tables").exists()


def test_the_short_table_has_four_columns(out):
    page = out.parent / "README.md"
    page.write_text("<!-- generated: short toy-standard --><!-- end -->")
    report.rebuild(BOARD, out)
    head = page.read_text().splitlines()[2]
    titles = [cell.strip().partition(" [")[0] for cell in head.strip("| ").split("|")]
    assert titles == ["method", "accuracy", "parameters", "latency"]
