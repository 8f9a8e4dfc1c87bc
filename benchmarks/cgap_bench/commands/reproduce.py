"""What `cgap-cl reproduce CELL` does: the runs behind a published number, and a verdict."""

from pathlib import Path

from cgap_bench.commands.run import Request, run_benchmark
from cgap_bench.record.store import read_records
from cgap_bench.show.cells.published import Cell, find_cell
from cgap_bench.show.cells.verdict import outcome


def request_of(
    cell: Cell, seeds: str | None, data_root: Path | None, output: Path, jobs: int | None
) -> Request:
    """The runs that a cell asks for, as a user would type them."""
    return Request(
        benchmark=cell.table.benchmark,
        preset=cell.preset,
        network=None,
        methods=cell.method,
        seeds=seeds or cell.table.seeds,
        overrides=cell.overrides,
        data_root=data_root,
        output=output,
        jobs=jobs,
    )


def reproduce_text(
    name: str, seeds: str | None, data_root: Path | None, output: Path, jobs: int | None
) -> str:
    """Runs what has no record yet, and sets our number beside the published one."""
    cell = find_cell(name)
    run_benchmark(request_of(cell, seeds, data_root, output, jobs))
    return verdict_text(cell, output)


def verdict_text(cell: Cell, output: Path) -> str:
    """A line on what was published, what came out here, and whether they agree."""
    made = outcome(cell, read_records(output, cell.table.benchmark))
    _, protocol, published, _, ours, n, off, verdict = made.row
    return (
        f"{cell.name} ({protocol}): published {published} % ({cell.table.source}),"
        f" ours {ours} % over {n} runs, {off} points, tolerance {cell.table.tolerance:g}:"
        f" {verdict}"
    )
