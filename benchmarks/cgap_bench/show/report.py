"""Tables, figures and pages from the records alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from cgap_bench.errors import RunError, UsageError
from cgap_bench.record.files import write_file
from cgap_bench.record.manifest import (
    NAME,
    Manifest,
    hashes,
    read_manifest,
    text_hash,
    write_manifest,
)
from cgap_bench.record.plain import printable
from cgap_bench.record.record import Record
from cgap_bench.record.store import read_records
from cgap_bench.show import files, markers, pages
from cgap_bench.show.beside.searched import kept_searches
from cgap_bench.show.comparison import Comparison, comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.measurements import read_measurements
from cgap_bench.show.page.page import html_page
from cgap_bench.show.terminal import terminal_table
from cgap_hw import load_board

Step: TypeAlias = Callable[[], list[Path]]  # writes files

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
    shown = comparisons(records, platform)
    for made in shown:  # before anything that may fail
        console.print(terminal_table(made, console.width))
        if made.changes:
            text = made.changes.markdown()
            console.print(text, highlight=False, markup=False, soft_wrap=True)

    if not shown:  # every run diverged, which is told of each
        return
    everything = _read(out, platform)
    names = {made.plain_name for made in shown}  # other versions may have lost theirs
    wholes = [whole for whole in everything if whole.plain_name in names]
    steps = [step for whole in wholes for step in _steps(whole, out)]
    steps.append(partial(_removed, files.outdated(everything, out)))
    steps.append(lambda: [_write_html(everything, out)])
    steps.append(lambda: [write_manifest(_manifest(everything, out, None), out)])
    runs = {record.run_id for made in shown for record in made.records}
    older = [w.name for w in wholes if not any(r.run_id in runs for r in w.records)]
    unsaid = tuple(f"{name}{end}" for name in older for end in ".-")
    for path in each(steps):
        if not path.name.startswith(unsaid):
            _say(console, path)


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
        UsageError: There are no records, a page asks for something unknown, or a file cannot
            be written; all others are.
    """
    known = _read(out, Platform(load_board(board)))
    filled = _filled_pages(known, out, root)
    steps = [step for one in known for step in _steps(one, out)]
    steps.append(partial(_removed, files.outdated(known, out)))
    steps.append(lambda: [_write_html(known, out)])
    inside = _root(out, root)
    steps += [partial(_written, path, text, inside) for path, text in filled.items()]
    steps.append(lambda: [write_manifest(_manifest(known, out, root), out)])
    return list(each(steps))


def stale(board: str, out: Path, root: Path | None = None) -> list[Path]:
    """Files that are not what the records under ``out`` say, or have changed since the report.

    Tables and pages (between their markers) are compared in full; records, measurements and the
    report by their hashes; figures, which depend on the version of the drawing library, by the
    data behind them and the hashes of what was drawn. Tables and figures without records count
    too, and so do pages that have lost a marker.

    Args:
        board: Board name or TOML file that inference is priced on.
        out: Results folder.
        root: As in `rebuild`.
    """
    known = _read(out, Platform(load_board(board)))  # tells what is no record
    expected = _filled_pages(known, out, root)
    for one in known:
        expected |= files.table_files(one, out)
    wrong = [path for path, text in expected.items() if files.text_of(path) != text]

    now = _manifest(known, out, root)
    behind = {*expected, *(out / path for path in now.figures)}
    for path in (*out.glob("tables/[!.]*"), *out.glob("figures/[!.]*.svg")):
        wrong += [path] if path not in behind else []
    return list(dict.fromkeys([*wrong, *_changed(now, out, root)]))


def _changed(now: Manifest, out: Path, root: Path | None) -> list[Path]:
    """What is not as it was when the report was made."""
    then = read_manifest(out)
    if then is None:
        return [out / NAME]
    of_folder, drawn, of_root = then.differences(now)
    return [out / path for path in of_folder + drawn] + [
        _root(out, root) / page for page in of_root
    ]


def _manifest(known: Sequence[Comparison], out: Path, root: Path | None) -> Manifest:
    data = {path: text for one in known for path, text in files.drawn_data(one, out).items()}
    texts = {name: files.text_of(_root(out, root) / name) for name in PAGES}
    asked = {name: markers.asked(text) for name, text in texts.items() if text}
    return Manifest(
        files=hashes(out),
        figures={path: text_hash(text) for path, text in data.items()},
        pages={name: words for name, words in asked.items() if words},
    )


def _read(out: Path, platform: Platform) -> list[Comparison]:
    """All comparisons under a results folder.

    Raises:
        UsageError: There are none.
    """
    known = comparisons(read_records(out), platform)
    if not known:
        raise UsageError(f"no records of finished runs under {out / 'runs'}; see `cgap-cl run`")
    return known


def _filled_pages(known: Sequence[Comparison], out: Path, root: Path | None) -> dict[Path, str]:
    """Every page with markers: path -> text with its generated parts made anew."""
    filled: dict[Path, str] = {}
    measurements, searches = read_measurements(out), kept_searches(out)
    for name in PAGES:
        page = _root(out, root) / name
        text = files.text_of(page)
        if text is not None and markers.OPENING in text:
            render = pages.renderer(
                known,
                measurements,
                page,
                lambda one, kind: files.figure_path(one, out, kind),
                searches,
            )
            filled[page] = markers.fill(text, render)
    return filled


def _say(console: Console, path: Path) -> None:
    """Name a file that people open, as it is typed: no markup, nothing a terminal obeys."""
    kinds = {".md": "table", ".html": "report", f"-{files.FIGURES[0]}.svg": "figure"}
    for ending, kind in kinds.items():
        if path.name.endswith(ending):
            line = f"{kind:7} {printable(str(path))}"
            console.print(line, soft_wrap=True, markup=False, highlight=False)


def each(steps: Iterable[Step]) -> Iterator[Path]:
    """The files that steps write; the failure of one waits until all others are done.

    Raises:
        UsageError: A file cannot be written; which, and why.
        RunError: A figure cannot be drawn, likewise.
    """
    failures: list[UsageError | RunError] = []
    for step in steps:
        try:
            yield from step()
        except (UsageError, RunError) as error:
            failures.append(error)
        except (ArithmeticError, LookupError, ValueError, RuntimeError, MemoryError) as error:
            failures.append(RunError(f"cannot make a file of the report: {error!r}"))
    if failures:
        raise type(failures[0])("; ".join(map(str, failures)))


def _steps(comparison: Comparison, out: Path) -> list[Step]:
    """All that is written of one comparison."""
    tables = files.table_files(comparison, out)
    steps: list[Step] = [partial(_written, path, text, out) for path, text in tables.items()]
    return steps + [partial(files.draw, comparison, out, kind) for kind in files.FIGURES]


def _written(path: Path, text: str, within: Path) -> list[Path]:
    return [write_file(path, text, within)]


def _removed(paths: Sequence[Path]) -> list[Path]:
    for path in paths:
        path.unlink(missing_ok=True)
    return []


def _root(out: Path, root: Path | None) -> Path:
    """Folder of the pages."""
    return root or out.resolve().parent


def _write_html(known: Sequence[Comparison], out: Path) -> Path:
    return write_file(out / "report.html", html_page(known, out), out)
