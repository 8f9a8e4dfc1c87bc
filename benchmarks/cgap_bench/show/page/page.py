"""One self-contained page of everything: comparisons, charts, records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cgap_bench.record.plain import printable
from cgap_bench.show.charts.all_charts import charts_of
from cgap_bench.show.charts.chart import Chart, csv_of
from cgap_bench.show.charts.look import PAGE, config
from cgap_bench.show.columns import COLUMNS
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.page import cells, claims, state
from cgap_bench.show.page.libraries import vega_script
from cgap_bench.show.tables import Table
from cgap_bench.show.tasks.each_task import each_task


@dataclass(frozen=True)
class Section:
    """One comparison as the page shows it."""

    name: str
    title: str
    description: str
    tasks: Sequence[str]
    caption: str
    command: str
    claims: Sequence[str]
    warnings: Sequence[str]
    titles: Sequence[str]
    rows: Sequence[cells.Row]
    table_csv: str
    settings: Table | None
    each_task: Table | None
    differences: Table | None
    learnt: Table | None
    charts: Sequence[Chart]
    runs: Sequence[Mapping[str, str]]


def html_page(known: Sequence[Comparison], out: Path) -> str:
    """The page.

    Args:
        known: What it shows.
        out: Results folder, for what has begun and is not finished.
    """
    environment = Environment(
        loader=PackageLoader("cgap_bench.show", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("report.html.jinja")
    return template.render(
        sections=[_section(one, out) for one in known],
        columns=[one for one in COLUMNS if any(one in made.columns for made in known)],
        unfinished=state.unfinished(out),
        config=config(PAGE),
        panels_of=panels_of,
        style=_text("report.css"),
        libraries=vega_script(),
        script=_text("report.js"),
    )


def panels_of(chart: Chart) -> dict[str, Any]:
    """What the page's script draws a chart from; legends are the page's own."""
    panels = [
        {"spec": _without_legends(panel.spec), "height": panel.height} for panel in chart.panels
    ]
    return {"data": chart.data, "panels": panels}


def _without_legends(spec: Any) -> Any:
    """The same specification, whatever layers it has."""
    if isinstance(spec, list):
        return [_without_legends(one) for one in spec]
    if not isinstance(spec, Mapping):
        return spec
    made = {key: _without_legends(value) for key, value in spec.items()}
    for channel in ("color", "shape"):
        told = made.get("encoding", {}).get(channel, {})
        if "field" in told:
            told["legend"] = None
    return made


def _section(one: Comparison, out: Path) -> Section:
    folder = out.resolve().name  # no path: it may name people and machines
    where = f" --output {folder}" if folder != "results" else ""
    titles, rows = cells.rows_of(one)
    return Section(
        name=one.name,
        title=one.heading,
        description=printable(one.description),
        tasks=[printable(line) for line in one.tasks_in_words],
        caption=one.caption,
        command=one.command + where,
        claims=claims.sentences(one),
        warnings=state.warnings(one),
        titles=titles,
        rows=rows,
        table_csv=csv_of(one.summary),
        settings=one.settings,
        each_task=each_task(one),
        differences=one.difference_table,
        learnt=one.learnt.table if one.learnt else None,
        charts=charts_of(one),
        runs=_provenance(one),
    )


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
    return printable(", ".join(parts))


def _text(name: str) -> str:
    """A file shipped beside the templates."""
    return (resources.files("cgap_bench.show") / "templates" / name).read_text(encoding="utf-8")
