"""The files made from a comparison: where they lie, what is in them, writing them."""

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.show.columns import COLUMNS
from cgap_bench.show.comparison import Comparison

FIGURES = ("trade-off", "experiences", "tasks", "differences")


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
        Path(f"{stem}.csv"): _csv(comparison.summary),
        Path(f"{stem}-runs.csv"): _csv(comparison.runs),
        Path(f"{stem}.tex"): comparison.table.latex(),
    }


def draw(comparison: Comparison, out: Path) -> list[Path]:
    """Draw every figure of one comparison."""
    from cgap_bench.show import figures

    drawn = {
        "trade-off": figures.trade_off(comparison.summary, comparison.title),
        "experiences": figures.over_experiences(comparison.tasks, comparison.stream),
        "tasks": figures.per_task(comparison.tasks, comparison.stream),
        "differences": figures.differences(comparison.pairs, comparison.stream),
    }

    written: list[Path] = []
    for kind, figure in drawn.items():
        if figure is not None:
            written += figures.save(figure, figure_path(comparison, out, kind))
    return written


def html_page(known: Sequence[Comparison], out: Path) -> str:
    """One self-contained page of everything, with the figures that have been drawn."""
    sections = [
        {"one": one, "figures": _embedded(one, out), "runs": _provenance(one)} for one in known
    ]
    columns = [one for one in COLUMNS if any(one in made.columns for made in known)]
    return _template("report.html").render(sections=sections, columns=columns)


def write(files: dict[Path, str]) -> list[Path]:
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


def text_of(path: Path) -> str | None:
    """The text of a file, None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _csv(frame: pd.DataFrame) -> str:
    """All columns, to nine significant digits, so that machines agree on the text."""
    return frame.to_csv(index=False, float_format="%.9g", lineterminator="\n")


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
