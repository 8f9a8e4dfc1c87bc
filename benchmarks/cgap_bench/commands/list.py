"""What can be chosen, one line each."""

from collections.abc import Callable

from cgap_bench.errors import UnknownNameError


def listing(what: str | None) -> str:
    """A table of names and descriptions.

    Args:
        what: ``benchmarks``, ``methods``, ``networks``, ``boards`` or ``cells``; None: all.

    Raises:
        UnknownNameError: It is none of these.
    """
    if what is None:
        return "\n\n".join(f"# {name}\n{listing(name)}" for name in TABLES)
    if what not in TABLES:
        raise UnknownNameError("list", what, TABLES)
    rows = TABLES[what]()
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}".rstrip() for name, text in rows)


def _benchmarks() -> list[tuple[str, str]]:
    from cgap_bench.run.recipe import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        _, recipe = load_recipe(name)
        rows.append((name, recipe.description))
        for preset, layer in recipe.presets.items():
            mark = " (default)" if preset == recipe.default_preset else ""
            rows.append((f"  --preset {preset}", layer.description + mark))
    return rows


def _methods() -> list[tuple[str, str]]:
    from cgap_bench.learn.method import METHODS

    return [(name, METHODS[name].summary) for name in METHODS.names()]


def _networks() -> list[tuple[str, str]]:
    from cgap_bench.learn.network import NETWORKS

    names = NETWORKS.names()
    return [(name, (NETWORKS[name].__doc__ or "").splitlines()[0]) for name in names]


def _cells() -> list[tuple[str, str]]:
    from cgap_bench.show.cells.published import cells

    return [
        (name, f"{cell.number.value:.2f} %  {cell.table.source}")
        for name, cell in cells().items()
    ]


def _boards() -> list[tuple[str, str]]:
    from cgap_hw import board_names, load_board

    return [(name, load_board(name).description) for name in board_names()]


TABLES: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "benchmarks": _benchmarks,
    "methods": _methods,
    "networks": _networks,
    "boards": _boards,
    "cells": _cells,
}
