"""The files made from a comparison: where they lie, what is in them, writing them."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.show.charts.chart import csv_of
from cgap_bench.show.comparison import Comparison

# Keys of `cgap_bench.show.charts.all_charts`, which draws: imported only by who does
FIGURES = (
    *("trade-off", "differences", "experiences", "matrices", "growth"),
    *("task-costs", "layers", "times"),
)


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
    page = _template("table.md").render(one=comparison)
    return {
        Path(f"{stem}.md"): page,
        Path(f"{stem}.csv"): csv_of(comparison.summary),
        Path(f"{stem}-runs.csv"): csv_of(comparison.runs),
        Path(f"{stem}.tex"): comparison.table.latex(),
    }


def draw(comparison: Comparison, out: Path) -> list[Path]:
    """Draw every figure of one comparison that there are data for.

    Raises:
        UsageError: A file cannot be written.
    """
    from cgap_bench.show.charts.all_charts import charts_of
    from cgap_bench.show.charts.drawing import drawn

    written: list[Path] = []
    for chart in charts_of(comparison):
        path = figure_path(comparison, out, chart.name)
        for name, content in drawn(chart, comparison.title).items():
            written += write({path.with_suffix(f".{name}"): content})
    return written


def write(files: Mapping[Path, str | bytes]) -> list[Path]:
    """Write texts and drawings to their paths.

    Raises:
        UsageError: A file cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return list(files)


def text_of(path: Path) -> str | None:
    """The text of a file, None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _template(name: str) -> Template:
    """A template of text that is no HTML."""
    source = resources.files("cgap_bench.show").joinpath("templates", f"{name}.jinja")
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(source.read_text(encoding="utf-8"))
