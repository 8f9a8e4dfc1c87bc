"""What can be chosen, one line each."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cgap_bench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from cgap_bench.run.recipe import Overlay

Rows: TypeAlias = Sequence[tuple[str, ...]]


def listing(what: str | None, output: Path = Path("results")) -> str:
    """A table of names and descriptions.

    Args:
        what: ``benchmarks``, ``methods``, ``networks``, ``boards``, ``searched`` or
            ``cells``; None: all.
        output: Results folder, whose records stand beside published numbers, and whose times
            beside presets.

    Raises:
        UnknownNameError: It is none of these.
    """
    if what is None:
        names = [*TABLES, CELLS]
        return "\n\n".join(f"# {name}\n{listing(name, output)}" for name in names)
    if what == CELLS:
        return cells_text(output)
    if what not in TABLES:
        raise UnknownNameError("list", what, [*TABLES, CELLS])
    return _left(TABLES[what](output))


def cells_text(output: Path) -> str:
    """Every published number: ours as far as there are records, the command, the source."""
    from cgap_bench.record.store import read_records
    from cgap_bench.show.cells.published import cells
    from cgap_bench.show.cells.verdict import table_of_cells

    known = cells()
    names = dict.fromkeys(cell.table.benchmark for cell in known.values())
    records = [record for name in names for record in read_records(output, name)]
    header, *rows = table_of_cells(records).lines
    columns = [header.index(title) for title in CELL_COLUMNS]
    chosen = [tuple(row[i] for i in columns) for row in (header, *rows)]
    told = [("command", "source"), *((c.command, c.table.source) for c in known.values())]
    return _left([(*row, *more) for row, more in zip(chosen, told, strict=True)])


def _left(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns under each other, all to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ((cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _benchmarks(output: Path) -> Rows:
    from cgap_bench.run.recipe import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        _, recipe = load_recipe(name)
        rows.append((name, "", recipe.description))
        times = _times(name, output)
        for preset, layer in recipe.presets.items():
            mark = " (default)" if preset == recipe.default_preset else ""
            text = layer.description + mark
            rows.append((f"  --preset {preset}", times(recipe.preset(preset)[1], preset), text))
    return rows


def _times(benchmark: str, output: Path) -> Callable[["Overlay", str], str]:
    """A preset and its name -> what it took where it was run; `-` where it was not."""
    from cgap_bench.commands.records.spent import spent_s
    from cgap_bench.record.store import read_records
    from cgap_bench.show.text_tables import duration

    runs = defaultdict(list)
    with suppress(UsageError):  # of an older schema: nothing is known
        for record in read_records(output, benchmark, tell=lambda _line: None):
            runs[record.config.preset].append(record)

    def time(overlay: "Overlay", preset: str) -> str:
        seconds = spent_s(overlay, runs[preset])
        return "-" if seconds is None else f"about {duration(seconds)}"

    return time


def _methods(_output: Path) -> Rows:
    from cgap_bench.learn.method import METHODS

    return [(name, METHODS[name].summary) for name in METHODS.names()]


def _searched(_output: Path) -> Rows:
    from cgap_bench.learn.method import METHODS
    from cgap_bench.run.search.space import LR_FACTOR, searched_settings

    rows = [
        ("training.lr", f"recipe's / {LR_FACTOR:g} to recipe's x {LR_FACTOR:g}, logarithmic")
    ]
    for name in METHODS.names():
        for key, one in searched_settings(name).items():
            rows.append((f"{name}.{key}", f"{one.low:g} to {one.high:g}, {one.spacing}"))
    return rows


def _networks(_output: Path) -> Rows:
    from cgap_bench.learn.network import NETWORKS

    names = NETWORKS.names()
    return [(name, (NETWORKS[name].__doc__ or "").splitlines()[0]) for name in names]


def _boards(_output: Path) -> Rows:
    from cgap_hw import board_names, load_board

    return [(name, load_board(name).description) for name in board_names()]


TABLES: dict[str, Callable[[Path], Rows]] = {
    "benchmarks": _benchmarks,
    "methods": _methods,
    "networks": _networks,
    "boards": _boards,
    "searched": _searched,
}
CELLS = "cells"
CELL_COLUMNS = ("cell", "published [%]", "ours [%]", "runs", "verdict")
