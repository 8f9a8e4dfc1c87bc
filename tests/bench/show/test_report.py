"""The report says what the records say, and notices when a page does not."""

import io
import json
import re

import pandas as pd
import pytest
from rich.console import Console

from cgap_bench.errors import RunError, UsageError
from cgap_bench.record.record import Outcome
from cgap_bench.record.store import write_record
from cgap_bench.show import report
from cgap_bench.show.measurements import write_measurements
from cgap_bench.show.page.libraries import vega_script

BOARD = "zcu102"
PAGE = """# Title

By hand. CGaP reaches <!-- generated: value toy-standard cgap accuracy -->0<!-- end --> % at
<!-- generated: share toy-standard cgap fixed macs --><!-- end --> of the MACs.

<!-- generated: table toy-standard --><!-- end -->

<!-- generated: figure toy-standard trade-off --><!-- end -->
Made by <!-- generated: command toy-standard --><!-- end -->
"""


def test_everything_is_rebuilt_from_the_records_alone(out):
    written = report.rebuild(BOARD, out)
    names = {path.relative_to(out).as_posix() for path in written}
    assert names == {
        "tables/toy-standard.md",
        "tables/toy-standard.csv",
        "tables/toy-standard-experiences.csv",
        "tables/toy-standard-runs.csv",
        "tables/toy-standard-tasks.csv",
        "tables/toy-standard.tex",
        *(
            f"figures/toy-standard-{kind}.{suffix}"
            for kind in (
                *("trade-off", "experiences", "matrices", "differences"),
                *("task-costs", "layers"),
            )
            for suffix in ("svg", "png", "pdf")
        ),
        "report.html",
        "manifest.json",
    }
    summary = pd.read_csv(out / "tables/toy-standard.csv").set_index("method")
    assert summary.loc["cgap", "accuracy"] == pytest.approx(0.91)
    assert summary.loc["cgap", "macs"] == 596 * 2
    assert len(pd.read_csv(out / "tables/toy-standard-runs.csv")) == 9


def test_table_page_gives_the_command_and_the_meaning(out):
    report.rebuild(BOARD, out)
    page = (out / "tables/toy-standard.md").read_text()
    assert "cgap-cl run toy.toml --preset standard --methods cgap,ewc,fixed --seeds 0-2" in page
    assert "everything stored for all tasks together, heads included" in page
    assert (
        "one training for all, settings from recipe or --set, runs per method: 3. ± is the"
        " half-width of the 95 % t interval" in page
    )
    assert re.search(r"\| fixed +\| +3 \| +\+30\.00 ± 0\.00 \|", page)


def test_methods_that_are_trained_their_own_way_are_not_passed_off_as_common(out, make_record):
    write_record(make_record("si", epochs=7), out)
    report.rebuild(BOARD, out)
    page = (out / "tables/toy-standard.md").read_text()
    said = "each trained its own way, settings from recipe or --set, runs per method: 1 to 3."
    assert said in page


def test_command_does_not_hide_changed_settings(out, make_record):
    write_record(make_record("ewc", method_settings={"strength": 3.0}), out)
    report.rebuild(BOARD, out)
    page = (out / "tables/toy-standard.md").read_text()
    assert "| ewc (strength=3.0) |" in page
    assert "--seeds 0-2 --set (what the names of the rows say)" in page


def test_html_is_self_contained(out):
    report.rebuild(BOARD, out)
    page = (out / "report.html").read_text()
    assert page.count("<figure ") == 6
    own = page.replace(vega_script(), "")
    assert not re.search(r"(src|href)=\"(?!data:|#)", own)
    assert "http" not in own
    assert ">91.00 ± 2.48</td>" in page  # t_{.975,2} * 0.01 / sqrt(3) = 0.0248
    assert len(page) < 5e6
    assert "python 3.11, packages (torch 2.0)" in page


def test_rebuilding_twice_changes_nothing(out):
    once = {path: path.read_bytes() for path in report.rebuild(BOARD, out)}
    assert {path: path.read_bytes() for path in report.rebuild(BOARD, out)} == once


def test_page_is_filled_between_its_markers_only(out):
    page = out.parent / "README.md"
    page.write_text(PAGE)
    assert page in report.rebuild(BOARD, out)
    text = page.read_text()
    assert "accuracy -->91.00 ± 2.48<!-- end --> %" in text
    assert "macs -->25 %<!-- end --> of the MACs" in text
    assert "](results/figures/toy-standard-trade-off.svg)" in text
    assert re.search(r"\| cgap +\| 91\.00 ± 2\.48 \|", text)
    assert text.startswith("# Title\n\nBy hand. CGaP reaches ")


def test_check_notices_a_page_that_says_something_else(out):
    page = out.parent / "README.md"
    page.write_text(PAGE)
    report.rebuild(BOARD, out)
    assert report.stale(BOARD, out) == []
    page.write_text(page.read_text().replace("91.00 ± 2.48<!--", "93.00 ± 2.48<!--"))
    assert report.stale(BOARD, out) == [page]
    table = out / "tables/toy-standard.csv"
    table.unlink()
    assert report.stale(BOARD, out) == [page, table]


def test_measured_figures_are_quoted_and_checked(out):
    page = out.parent / "README.md"
    page.write_text("A step costs <!-- generated: measured speed ratio --><!-- end --> of it.")
    kept = write_measurements("speed", {"ratio": 0.86543}, {}, out)
    report.rebuild(BOARD, out)
    assert "measured speed ratio -->0.865<!-- end --> of it." in page.read_text()
    write_measurements("speed", {"ratio": 0.9}, {}, out)
    assert report.stale(BOARD, out) == [page, kept]
    kept.write_text("{}")
    with pytest.raises(UsageError, match="holds no measured figures"):
        report.rebuild(BOARD, out)


def test_check_notices_a_new_run(out, make_record):
    report.rebuild(BOARD, out)
    write_record(make_record("cgap", seed=3, final=(0.5, 0.5, 0.5)), out)
    assert out / "tables/toy-standard.md" in report.stale(BOARD, out)


def test_no_records_is_a_clear_error(tmp_path):
    with pytest.raises(UsageError, match=r"no records of finished runs under .*runs; see"):
        report.rebuild(BOARD, tmp_path)


@pytest.mark.parametrize("width", [76, 160])
def test_end_of_a_run_prints_the_table_and_where_the_rest_is(some_records, out, width):
    console = Console(file=io.StringIO(), width=width)
    report.show(some_records[:3], BOARD, out, console)
    printed = console.file.getvalue()
    assert "91.00" in printed
    assert "…" not in printed  # nothing cut off
    assert "fixed" not in printed  # the table is of the runs given ...
    assert "fixed" in (out / "tables/toy-standard.md").read_text()  # ... files are of all
    for path in ("tables/toy-standard.md", "figures/toy-standard-trade-off.svg", "report.html"):
        assert str(out / path) in printed
        assert (out / path).is_file()
    assert ("91.00 ± 2.48" in printed) == (width == 160)


def test_a_file_that_cannot_be_written_keeps_nothing_else_from_it(some_records, out):
    """A table of the wrong kind, and folders that lead elsewhere."""
    (out / "tables" / "toy-standard.csv").mkdir(parents=True)
    elsewhere = out.parent / "elsewhere"
    elsewhere.mkdir()
    (out / "figures").symlink_to(elsewhere)
    console = Console(file=io.StringIO(), width=160)
    with pytest.raises(UsageError, match=r"toy-standard\.csv: Is a directory") as caught:
        report.show(some_records, BOARD, out, console)
    assert "91.00 ± 2.48" in console.file.getvalue()
    assert str(caught.value).count("it leads out of") == 6
    assert "| cgap" in (out / "tables/toy-standard.md").read_text()
    assert not list(elsewhere.iterdir())
    with pytest.raises(UsageError, match=r"toy-standard\.csv: Is a directory"):
        report.rebuild(BOARD, out)
    assert (out / "report.html").is_file()


def test_a_figure_that_cannot_be_drawn_keeps_nothing_else_from_it(
    some_records, out, monkeypatch
):
    from cgap_bench.show.charts import all_charts

    def fail(*_):
        raise ValueError("no room")

    charts = all_charts.CHARTS | {"trade-off": fail}
    monkeypatch.setattr(all_charts, "CHARTS", charts)
    console = Console(file=io.StringIO(), width=160)
    with pytest.raises(RunError, match=r"cannot draw .*trade-off\.svg: .*no room"):
        report.show(some_records, BOARD, out, console)
    assert "91.00 ± 2.48" in console.file.getvalue()
    assert (out / "figures/toy-standard-matrices.svg").is_file()


def test_runs_that_diverged_stand_below_the_numbers(make_record, out):
    part = {"accuracy": [], "networks": {}, "subnetworks": [], "stored_parameters": []}
    place = Outcome(experience=1, epoch=2, batch=3)
    for seed in (3, 4):
        lost = make_record("ewc", seed).model_copy(update=part | {"outcome": place})
        write_record(lost, out)
    report.rebuild(BOARD, out)
    row = "ewc: seed 3 diverged in experience 1, epoch 2, batch 3; seed 4 diverged in"
    assert f"| {row}" in (out / "tables/toy-standard.md").read_text()
    assert "runs per method: 3." in (out / "tables/toy-standard.md").read_text()
    assert row in (out / "report.html").read_text()
    assert len(pd.read_csv(out / "tables/toy-standard-runs.csv")) == 9

    alone = make_record("ewc", preset="wild").model_copy(update=part | {"outcome": place})
    console = Console(file=io.StringIO(), width=160)
    report.show([alone], BOARD, out, console)
    assert console.file.getvalue() == ""
    write_record(alone, out)
    report.rebuild(BOARD, out)
    assert not list(out.glob("tables/*wild*"))


def changed_by(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


TAMPERED = {
    "figures/toy-standard-matrices.svg": lambda path: path.write_text("<svg/>"),
    "figures/toy-standard-layers.svg": lambda path: path.unlink(),
    "report.html": lambda path: changed_by(path, "91.00", "93.00"),
    "tables/gone-standard.md": lambda path: path.write_text("| 99 |"),
    "figures/gone-standard-tasks.svg": lambda path: path.write_text("<svg/>"),
    "manifest.json": lambda path: path.unlink(),
    "measured/speed.json": lambda path: changed_by(path, "0.5", "0.6"),
    "../README.md": lambda path: changed_by(
        path, "<!-- generated: share toy-standard cgap fixed macs -->25 %<!-- end -->", "20 %"
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_check_sees_what_was_changed_by_hand(out, name):
    (out.parent / "README.md").write_text(PAGE)
    write_measurements("speed", {"ratio": 0.5}, {}, out)
    report.rebuild(BOARD, out)
    assert report.stale(BOARD, out) == []
    TAMPERED[name](out / name)
    seen = {path.resolve() for path in report.stale(BOARD, out)}
    assert seen == {(out / name).resolve()}


@pytest.mark.parametrize("part", ["environment", "timings"])
def test_check_sees_a_record_whose_surroundings_were_changed(out, part):
    report.rebuild(BOARD, out)
    path = sorted(out.glob("runs/*/*.json"))[0]
    content = json.loads(path.read_text())
    content[part] = {"python": "4"}
    path.write_text(json.dumps(content))
    assert path in report.stale(BOARD, out)


def test_check_sees_figures_of_other_data(out, make_record):
    """All text may be made anew while figures are of before."""
    report.rebuild(BOARD, out)
    before = {path: path.read_bytes() for path in out.glob("figures/*")}
    write_record(make_record("cgap", seed=3, final=(0.5, 0.5, 0.5)), out)
    report.rebuild(BOARD, out)
    for path, content in before.items():
        path.write_bytes(content)
    assert {out / "figures/toy-standard-matrices.svg"} <= set(report.stale(BOARD, out))
