"""Names from records in tables: what terminals, Markdown, LaTeX or spreadsheets would obey."""

import csv
import io

import pytest
from rich.console import Console

from cgap_bench.show import files, report
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.page.page import html_page
from cgap_bench.show.tables import Table
from cgap_bench.show.terminal import terminal_table
from cgap_bench.show.text.escaping import csv_cell, latex, markdown

NASTY = "a[/b]c|d <script>x</script> <!-- end --> =1 $x_1^2$ \\input{/etc} ~ [t](javascript:1)"


def test_markdown_holds_one_cell_and_no_html():
    text = Table(("method", "n"), ((NASTY, "<0.001"),)).markdown()
    row = text.splitlines()[2]
    assert "<script" not in row
    assert "<!--" not in row
    assert "](" not in row
    assert row.replace(r"\|", "").count("|") == 3
    assert "<0.001" in row
    assert "\x1b" not in markdown("\x1b[31m")


def test_latex_runs_no_command():
    assert latex(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert latex("a_b & 5 % # $ ~ ^ ± <") == (
        r"a\_b \& 5 \% \# \$ \textasciitilde{} \textasciicircum{} $\pm$ $<$"
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x"])
def test_spreadsheets_find_no_formula(text):
    assert csv_cell(text) == f"'{text}"
    assert csv_cell(f"a{text}") == f"a{text}"
    assert csv_cell(-1.5) == -1.5


def test_a_method_of_any_name_is_shown(make_record, platform, tmp_path):
    """Nothing is obeyed and nothing breaks, in any of the files and on the terminal."""
    records = [make_record(NASTY, seed) for seed in (0, 1)] + [make_record("=x", 0)]
    (one,) = comparisons(records, platform)
    console = Console(file=io.StringIO(), width=300, force_terminal=True)
    console.print(terminal_table(one, 300))
    assert "a[/b]c|d" in console.file.getvalue()

    texts = files.table_files(one, tmp_path)
    rows = list(csv.DictReader(io.StringIO(texts[tmp_path / "tables/toy-standard.csv"])))
    assert {row["method"] for row in rows} == {NASTY, "'=x"}
    page = texts[tmp_path / "tables/toy-standard.md"]
    assert "<script" not in page
    assert "<script>x" not in html_page([one], tmp_path)
    assert files.draw(one, tmp_path, "trade-off")


def test_a_folder_that_looks_like_markup(some_records, out):
    """As in the issue: the paths are printed after all runs."""
    folder = out.parent / "a[" / "b]c"
    folder.parent.mkdir()
    out.rename(folder)
    console = Console(file=io.StringIO(), width=160)
    report.show(some_records, "zcu102", folder, console)
    assert str(folder / "report.html") in console.file.getvalue().replace("\n", "")
