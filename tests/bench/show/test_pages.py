"""Markers of pages that ask for something else than there is."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.store import write_record
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


def test_the_result_in_sentences_is_a_list(out):
    page = out.parent / "README.md"
    page.write_text("<!-- generated: claims toy-standard --><!-- end -->")
    report.rebuild(BOARD, out)
    _, _, first, *_ = lines = page.read_text().splitlines()
    assert first.startswith("- Most accurate is cgap with 91.00")
    assert "- cgap is 5.00 points more accurate than ewc" in "\n".join(lines)


def test_what_has_not_been_run_is_told_with_its_command(out):
    page = out.parent / "README.md"
    words = ("changes", "caption", "command", "value", "share")
    more = {"value": " cgap macs", "share": " cgap fixed macs"}
    page.write_text(
        "\n".join(
            f"<!-- generated: {word} mnist-paper{more.get(word, '')} --><!-- end -->"
            for word in words
        )
    )
    report.rebuild(BOARD, out)
    said = [
        line.partition("-->")[2].partition("<!--")[0] for line in page.read_text().splitlines()
    ]
    command = "`cgap-cl run mnist --preset paper`"
    nothing = "No run of it is recorded yet"
    assert said == [f"{nothing}: {command}.", f"{nothing}.", command, "-", "-"]
    assert report.stale(BOARD, out) == []


def test_a_preset_that_no_recipe_has_is_no_comparison(out):
    page = out.parent / "README.md"
    page.write_text("<!-- generated: changes mnist-papers --><!-- end -->")
    with pytest.raises(UsageError, match="unknown comparison 'mnist-papers'"):
        report.rebuild(BOARD, out)


def test_one_run_a_method_leaves_no_differences(tmp_path, make_record):
    out = tmp_path / "results"
    for method in ("cgap", "ewc"):
        write_record(make_record(method), out)
    page = tmp_path / "README.md"
    markers = ("differences", "boards", "claims")
    page.write_text(
        "\n".join(f"<!-- generated: {m} toy-standard --><!-- end -->" for m in markers)
    )
    report.rebuild(BOARD, out)
    differences, boards, *_ = page.read_text().splitlines()
    assert "No method shares two runs with CGaP" in differences
    assert "no dense network to compare" in boards
    assert "no interval, no claim. Accuracies: cgap" in page.read_text()
