"""What the markers of pages ask for that records and measurements can answer.

The first word of a marker (`markers.py`) names what to show, the second a comparison
(``split-digits-standard``) or, for the last, a script that measures, the others what to take:

    table NAME                       the comparison table
    short NAME                       accuracy, parameters and latency of it
    differences NAME                 CGaP against the others, paired by seed
    changes NAME                     what methods save of the dense network
    boards NAME                      CGaP against the dense network on three boards
    claims NAME                      the result in sentences, one a line
    caption NAME                     benchmark, preset, board, seeds
    command NAME                     the command that makes the numbers
    settings NAME                    where the settings of its rows are from
    figure NAME KIND                 a link to a figure
    value NAME METHOD COLUMN         one number with its interval
    share NAME METHOD OTHER COLUMN   a number as a percentage of another method's
    cells                            every published number beside ours
    searches                         every search for settings that is kept
    measured SCRIPT FIGURE           a figure, to three significant digits

A comparison of a recipe of the package that has not been run is told to be so.
`validation` is written by `cgap-cl validate-hardware --page`, `published` and `parts` by
`cgap-cl price-published --page`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.record.searches import SearchFile
from cgap_bench.show import tables
from cgap_bench.show.beside.changes import on_boards
from cgap_bench.show.beside.searched import table_of_searches
from cgap_bench.show.cells.verdict import table_of_cells
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.markers import Render
from cgap_bench.show.measurements import Measurements
from cgap_bench.show.page import not_run
from cgap_bench.show.page.claims import sentences
from cgap_bench.show.text.escaping import markdown

Renderer = Callable[..., str]
T = TypeVar("T")

SHORT = ("accuracy", "parameters", "latency_ms")
_ELSEWHERE = ("validation", "published", "parts")  # markers that another command fills
_N_WORDS = {
    "table": 1,
    "short": 1,
    "differences": 1,
    "changes": 1,
    "boards": 1,
    "claims": 1,
    "caption": 1,
    "command": 1,
    "figure": 2,
    "value": 3,
    "share": 4,
    "measured": 2,
    "cells": 0,
    "settings": 1,
    "searches": 0,
}


def renderer(
    known: Sequence[Comparison],
    measured: Measurements,
    page: Path,
    figure_path: Callable[[Comparison, str], Path],
    kept: Sequence[SearchFile] = (),
) -> Render:
    """What `markers.fill` needs to fill one page from the comparisons there are.

    Args:
        known: The comparisons that markers may name.
        measured: The figures that markers may name.
        page: The page, for relative links.
        figure_path: Where the figure of a kind is.
        kept: Searches for settings.

    Raises:
        UsageError: (By the returned function) a marker asks for something unknown.
    """
    by_name = {one.name: one for one in known}

    def render(words: Sequence[str]) -> str | None:
        word, *arguments = words
        if word in _ELSEWHERE:
            return None
        _check_words(words)
        if not arguments:
            return _whole(word, known, kept)
        name, *rest = arguments
        if word == "measured":
            return f"{_find('figure', rest[0], _find('script', name, measured)):.3g}"
        if name not in by_name and (command := not_run.command_of(name)):
            return not_run.in_place_of(word, command)
        one = _find("comparison", name, by_name)
        if word == "figure":
            return _link(one, page, figure_path(one, rest[0]))
        return _TEXT[word](one, *rest)

    return render


def _check_words(words: Sequence[str]) -> None:
    """Raises `UsageError` where a marker asks for something unknown, or says too little."""
    word, *arguments = words
    if word not in _N_WORDS:
        raise UnknownNameError("generated content", word, _N_WORDS)
    if len(arguments) != _N_WORDS[word]:
        raise UsageError(
            f"marker {' '.join(words)!r}: {word!r} takes {_N_WORDS[word]} words,"
            f" not {len(arguments)}"
        )


def _find(kind: str, name: str, known: Mapping[str, T]) -> T:
    """An entry by its name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name]


def _differences(comparison: Comparison) -> str:
    """The table of paired differences, or why there is none."""
    table = comparison.difference_table
    return table.markdown() if table else "No method shares two runs with CGaP: no differences."


def _changes(comparison: Comparison) -> str:
    """The table of changes, or why there is none."""
    table = comparison.changes
    return table.markdown() if table else "Several experiences, or no dense network to compare."


def _boards(comparison: Comparison) -> str:
    """The table of boards, or why there is none."""
    table = on_boards(comparison.records)
    return table.markdown() if table else "No run of CGaP, or no dense network to compare."


def _settings(comparison: Comparison) -> str:
    """The table of where settings are from, or that there is nothing to tell."""
    table = comparison.settings
    return table.markdown() if table else "Nothing was searched: settings from recipe or --set."


def _whole(word: str, known: Sequence[Comparison], kept: Sequence[SearchFile]) -> str:
    """What is no part of one comparison."""
    if word == "searches":
        return _searches(kept)
    return table_of_cells([record for one in known for record in one.records]).markdown()


def _searches(kept: Sequence[SearchFile]) -> str:
    """The table of all searches, or that there are none."""
    table = table_of_searches(kept)
    return table.markdown() if table else "No search has been kept yet."


def _claims(comparison: Comparison) -> str:
    """A list of the sentences; one alone needs none."""
    lines = [markdown(line) for line in sentences(comparison)]
    return "\n".join(f"- {line}" for line in lines) if len(lines) > 1 else lines[0]


def _link(comparison: Comparison, page: Path, figure: Path) -> str:
    """A Markdown image with a link relative to the page."""
    link = os.path.relpath(figure.resolve(), page.resolve().parent)
    return f"![{markdown(comparison.title)}]({Path(link).as_posix()})"


_TEXT: Mapping[str, Renderer] = {
    "short": lambda one: tables.comparison(one.summary, SHORT).markdown(),
    "table": lambda one: one.table.markdown(),
    "differences": _differences,
    "changes": _changes,
    "boards": _boards,
    "settings": _settings,
    "claims": _claims,
    "caption": lambda one: markdown(one.caption),
    "command": lambda one: f"`{markdown(one.command)}`",
    "value": lambda one, method, column: one.cell(method, column),
    "share": lambda one, method, other, column: one.share(method, other, column),
}
