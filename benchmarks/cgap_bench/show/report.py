"""Tables, figures and pages from the records alone."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from itertools import compress
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.record.record import Record, read_records
from cgap_bench.show import pages, tables
from cgap_bench.show.comparison import Comparison, comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.measured import read_measured
from cgap_hw import load_board

FIGURES = ("trade-off", "experiences", "tasks", "differences")
PAGES = (
    "README.md",
    "benchmarks/README.md",
    "cgap_cl/README.md",
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
        for whole in everything:
            if whole.name == made.name:
                _write_tables(whole, out)
                _draw(whole, out)
                console.print(f"table   {_stem(whole, out, 'tables')}.md", soft_wrap=True)
                console.print(f"figure  {figure_path(whole, out, FIGURES[0])}", soft_wrap=True)
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
        written += _write_tables(one, out) + _draw(one, out)
    written.append(_write_html(known, out))
    return written + _write(filled)


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
        expected |= _table_files(one, out)
    return [path for path, text in expected.items() if _text(path) != text]


def terminal_table(comparison: Comparison, width: int) -> RichTable:
    """The comparison table for a terminal; intervals go below their means if it is narrow."""
    table = comparison.table
    wide = table.width <= width
    drawn = RichTable(
        title=comparison.title,
        caption=comparison.caption,
        box=box.SIMPLE_HEAD,
        padding=(0, 1 if wide else 0, 0, 0),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    first, *others = table.header
    drawn.add_column(first, no_wrap=wide, overflow="fold")  # names of variants are long
    shown = [wide or not column.spare for column in comparison.columns]
    for title, column in compress(zip(others, comparison.columns, strict=True), shown):
        heading = title.replace(column.title, column.heading(wide)).replace(" [", "\n[")
        drawn.add_column(Text(heading), justify="right", no_wrap=True)  # [ms] is no style
    for row in table.rows:
        cells = compress(row, [True, *shown])
        drawn.add_row(*(cell if wide else cell.replace(" ± ", "\n±") for cell in cells))
    return drawn


def figure_path(comparison: Comparison, out: Path, kind: str) -> Path:
    """Where a figure of a comparison is.

    Raises:
        UnknownNameError: There is no such kind of figure.
    """
    if kind not in FIGURES:
        raise UnknownNameError("figure", kind, FIGURES)
    return Path(f"{_stem(comparison, out, 'figures')}-{kind}.svg")


def _read(out: Path, platform: Platform) -> list[Comparison]:
    """All comparisons under a results folder.

    Raises:
        UsageError: There are none.
    """
    known = comparisons(read_records(out), platform)
    if not known:
        raise UsageError(f"no records under {out / 'runs'}; make some with `cgap-cl run`")
    return known


def _stem(comparison: Comparison, out: Path, kind: str) -> Path:
    """Path of a comparison's files of one kind, without what follows the name."""
    return out / kind / comparison.name


def _table_files(comparison: Comparison, out: Path) -> dict[Path, str]:
    """Every table file of one comparison: path -> text."""
    stem = _stem(comparison, out, "tables")
    page = _template("table.md").render(one=comparison)
    return {
        Path(f"{stem}.md"): page,
        Path(f"{stem}.csv"): _csv(comparison.summary),
        Path(f"{stem}-runs.csv"): _csv(comparison.runs),
        Path(f"{stem}.tex"): comparison.table.latex(),
    }


def _csv(frame: pd.DataFrame) -> str:
    """All columns, to nine significant digits, so that machines agree on the text."""
    return frame.to_csv(index=False, float_format="%.9g", lineterminator="\n")


def _write_tables(comparison: Comparison, out: Path) -> list[Path]:
    """Write every table file of one comparison."""
    return _write(_table_files(comparison, out))


def _draw(comparison: Comparison, out: Path) -> list[Path]:
    """Draw every figure of one comparison."""
    from cgap_bench.show import plots

    drawn = {
        "trade-off": plots.trade_off(comparison.summary, comparison.title),
        "experiences": plots.over_experiences(comparison.tasks, comparison.stream),
        "tasks": plots.per_task(comparison.tasks, comparison.stream),
        "differences": plots.differences(comparison.paired, comparison.stream),
    }
    written: list[Path] = []
    for kind, figure in drawn.items():
        if figure is not None:
            written += plots.save(figure, figure_path(comparison, out, kind))
    return written


def _write_html(known: Sequence[Comparison], out: Path) -> Path:
    """One self-contained page of everything, with the figures that have been drawn."""
    sections = [
        {"one": one, "figures": _embedded(one, out), "runs": _provenance(one)} for one in known
    ]
    columns = [one for one in tables.COLUMNS if any(one in made.columns for made in known)]
    text = _template("report.html").render(sections=sections, columns=columns)
    path = out / "report.html"
    _write({path: text})
    return path


def _embedded(comparison: Comparison, out: Path) -> list[str]:
    """The figures as data addresses; those not drawn are left out."""
    paths = [figure_path(comparison, out, kind) for kind in FIGURES]
    coded = [base64.b64encode(path.read_bytes()).decode() for path in paths if path.exists()]
    return [f"data:image/svg+xml;base64,{text}" for text in coded]


def _provenance(comparison: Comparison) -> list[dict[str, str]]:
    """What each run was: identity, what it depends on, and the environment it ran in."""
    return [
        {
            "run_id": record.run_id,
            "method": f"{record.config.method} {record.config.variant}".strip(),
            "seed": str(record.config.seed),
            "depends_on": record.depends_on or "",
            "environment": _words(record.environment),
        }
        for record in comparison.records
    ]


def _words(facts: Mapping[str, object]) -> str:
    """``"python 3.11, packages (torch 2.6)"``."""
    parts = [
        f"{key} ({_words(value)})" if isinstance(value, Mapping) else f"{key} {value}"
        for key, value in facts.items()
    ]
    return ", ".join(parts)


def _filled_pages(known: Sequence[Comparison], out: Path, root: Path | None) -> dict[Path, str]:
    """Every page with markers: path -> text with its generated parts made anew."""
    filled: dict[Path, str] = {}
    measured = read_measured(out)
    for name in PAGES:
        page = (root or out.resolve().parent) / name
        text = _text(page)
        if text is not None and "<!-- generated: " in text:
            render = pages.renderer(
                known, measured, page, lambda one, kind: figure_path(one, out, kind)
            )
            filled[page] = pages.fill(text, render)
    return filled


def _template(name: str) -> Template:
    """A template shipped with the package."""
    source = resources.files("cgap_bench.show").joinpath("templates", f"{name}.jinja")
    environment = Environment(
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(source.read_text(encoding="utf-8"))


def _text(path: Path) -> str | None:
    """The text of a file, None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(files: dict[Path, str]) -> list[Path]:
    """Write texts to their paths.

    Raises:
        UsageError: A file cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return list(files)
