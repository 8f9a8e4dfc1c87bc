"""Tables, figures and pages from the records alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from cgap_bench.errors import UsageError
from cgap_bench.record.record import Record, read_records
from cgap_bench.show import files, markers, pages
from cgap_bench.show.comparison import Comparison, comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.measurements import read_measurements
from cgap_bench.show.page.page import html_page
from cgap_bench.show.terminal import terminal_table
from cgap_hw import load_board

PAGES = (
    "README.md",
    "benchmarks/README.md",
    "cgap_cl/README.md",
    "docs/paper.md",
    "hardware/README.md",
    "results/README.md",
)


def show(
    records: Iterable[Record], board: str, out: Path, console: Console | None = None
) -> None:
    """End of a run: print its comparison tables, rebuild their files, say where they are.

    Args:
        records: The runs just finished or found finished.
        board: Board name or TOML file that inference is priced on.
        out: Results folder; files are made from all its runs of the same benchmarks.
        console: Where to print; standard output by default.
    """
    platform = Platform(load_board(board))
    console = console or Console()
    everything = _read(out, platform)

    for made in comparisons(records, platform):
        console.print(terminal_table(made, console.width))
        if made.changes:
            console.print(made.changes.markdown(), highlight=False, soft_wrap=True)
        for whole in everything:
            if whole.name == made.name:
                files.write(files.table_files(whole, out))
                files.draw(whole, out)
                table = f"{files.stem_of(whole, out, 'tables')}.md"
                console.print(f"table   {table}", soft_wrap=True)
                figure = files.figure_path(whole, out, files.FIGURES[0])
                console.print(f"figure  {figure}", soft_wrap=True)

    console.print(f"report  {_write_html(everything, out)}", soft_wrap=True)


def rebuild(board: str, out: Path, root: Path | None = None) -> list[Path]:
    """Make every table, figure and page anew from the records under ``out``.

    Args:
        board: Board name or TOML file that inference is priced on.
        out: Results folder.
        root: Folder whose pages (`PAGES`) may hold generated numbers; by default the one
            that ``out`` lies in.

    Returns:
        The files that were written.

    Raises:
        UsageError: There are no records, or a page asks for something unknown.
    """
    known = _read(out, Platform(load_board(board)))
    filled = _filled_pages(known, out, root)
    written: list[Path] = []
    for one in known:
        written += files.write(files.table_files(one, out)) + files.draw(one, out)
    written.append(_write_html(known, out))
    return written + files.write(filled)


def stale(board: str, out: Path, root: Path | None = None) -> list[Path]:
    """Files whose generated text is not what the records under ``out`` say.

    Tables are compared in full, pages between their markers; figures, which depend on the
    version of the drawing library, are not.

    Args:
        board: Board name or TOML file that inference is priced on.
        out: Results folder.
        root: As in `rebuild`.
    """
    known = _read(out, Platform(load_board(board)))
    expected = _filled_pages(known, out, root)
    for one in known:
        expected |= files.table_files(one, out)
    return [path for path, text in expected.items() if files.text_of(path) != text]


def _read(out: Path, platform: Platform) -> list[Comparison]:
    """All comparisons under a results folder.

    Raises:
        UsageError: There are none.
    """
    known = comparisons(read_records(out), platform)
    if not known:
        raise UsageError(f"no records under {out / 'runs'}; make some with `cgap-cl run`")
    return known


def _filled_pages(known: Sequence[Comparison], out: Path, root: Path | None) -> dict[Path, str]:
    """Every page with markers: path -> text with its generated parts made anew."""
    filled: dict[Path, str] = {}
    measurements = read_measurements(out)
    for name in PAGES:
        page = (root or out.resolve().parent) / name
        text = files.text_of(page)
        if text is not None and markers.OPENING in text:
            render = pages.renderer(
                known, measurements, page, lambda one, kind: files.figure_path(one, out, kind)
            )
            filled[page] = markers.fill(text, render)
    return filled


def _write_html(known: Sequence[Comparison], out: Path) -> Path:
    path = out / "report.html"
    files.write({path: html_page(known, out)})
    return path
