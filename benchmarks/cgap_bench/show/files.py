"""The files made from a comparison: where they lie, what is in them, writing them."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from cgap_bench.errors import RunError, UnknownNameError
from cgap_bench.record.files import read_text, write_file
from cgap_bench.show.charts.chart import csv_of
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.tasks.each_task import each_task
from cgap_bench.show.tasks.per_task import per_task_frame
from cgap_bench.show.text.escaping import markdown

# Keys of `cgap_bench.show.charts.all_charts`, which draws: imported only by who does
FIGURES = (
    *("trade-off", "differences", "experiences", "lengths"),
    *("matrices", "growth", "task-costs", "layers", "times"),
)


TABLES = (".md", ".csv", "-runs.csv", "-experiences.csv", "-tasks.csv", ".tex")


def figure_path(comparison: Comparison, out: Path, kind: str) -> Path:
    """Where a figure of a comparison is.

    Raises:
        UnknownNameError: There is no such kind of figure.
    """
    if kind not in FIGURES:
        raise UnknownNameError("figure", kind, FIGURES)
    return Path(f"{stem_of(comparison, out, 'figures')}-{kind}.svg")


def stem_of(comparison: Comparison, out: Path, kind: str) -> Path:
    """Path of a comparison's files of one kind, without what follows the name."""
    return out / kind / comparison.name


def table_files(comparison: Comparison, out: Path) -> dict[Path, str]:
    """Every table file of one comparison: path -> text."""
    stem = stem_of(comparison, out, "tables")
    page = _template("table.md").render(one=comparison, each=each_task(comparison))
    return {
        Path(f"{stem}.md"): page,
        Path(f"{stem}.csv"): csv_of(comparison.summary),
        Path(f"{stem}-runs.csv"): csv_of(comparison.runs),
        Path(f"{stem}-experiences.csv"): csv_of(comparison.experiences),
        Path(f"{stem}-tasks.csv"): csv_of(per_task_frame(comparison)),
        Path(f"{stem}.tex"): comparison.table.latex(),
    }


def outdated(known: Sequence[Comparison], out: Path) -> list[Path]:
    """Files made of runs when there was one version of their network and dataset.

    Args:
        known: All comparisons, which are called after their versions by now.
        out: Results folder.
    """
    names = {one.plain_name for one in known} - {one.name for one in known}
    tables = [out / "tables" / f"{name}{end}" for name in names for end in TABLES]
    figures = [
        out / "figures" / f"{name}-{kind}.{end}"
        for name in names
        for kind in FIGURES
        for end in ("svg", "png", "pdf")
    ]
    return [path for path in (*tables, *figures) if path.is_file()]


def draw(comparison: Comparison, out: Path, kind: str) -> list[Path]:
    """Draw one of the figures of a comparison; nothing where there are no data for it.

    Args:
        comparison: What is drawn.
        out: Results folder.
        kind: One of `FIGURES`.

    Raises:
        UsageError: A file cannot be written.
        RunError: It cannot be drawn.
    """
    from cgap_bench.show.charts.all_charts import CHARTS
    from cgap_bench.show.charts.drawing import drawn

    path = figure_path(comparison, out, kind)
    try:
        chart = CHARTS[kind](comparison)
        files = drawn(chart, comparison.title) if chart else {}
    except (ArithmeticError, LookupError, ValueError, RuntimeError, MemoryError) as error:
        raise RunError(f"cannot draw {path}: {error!r}") from error
    made = {path.with_suffix(f".{name}"): content for name, content in files.items()}
    return write(made, out)


def drawn_data(comparison: Comparison, out: Path) -> dict[str, str]:
    """Path of each figure below the results folder -> what is drawn in it."""
    from cgap_bench.show.charts.all_charts import charts_of

    return {
        figure_path(comparison, out, chart.name).relative_to(out).as_posix(): (
            f"{comparison.title}\n{chart.title}\n{chart.csv}"
        )
        for chart in charts_of(comparison)
    }


def write(files: Mapping[Path, str | bytes], within: Path | None = None) -> list[Path]:
    """Write texts and drawings to their paths.

    Args:
        files: Path -> content.
        within: Folder that all must lie in.

    Raises:
        UsageError: A file cannot be written.
    """
    return [write_file(path, content, within) for path, content in files.items()]


def text_of(path: Path) -> str | None:
    """The text of a file, None where there is none.

    Raises:
        UsageError: It cannot be read.
    """
    return read_text(path) if path.is_file() else None


def _template(name: str) -> Template:
    """A template of text that is no HTML."""
    source = resources.files("cgap_bench.show").joinpath("templates", f"{name}.jinja")
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = markdown
    return environment.from_string(source.read_text(encoding="utf-8"))
