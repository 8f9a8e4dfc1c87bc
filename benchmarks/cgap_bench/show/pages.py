"""Generated text inside hand-written pages: it sits between two comments, and only there.

A page holds ``<!-- generated: WHAT -->...<!-- end -->``. The first word of WHAT names a
renderer, the second a comparison (``split-digits-standard``) or, for the last, a script that
measures, the others what to take:

    table NAME                       the comparison table
    differences NAME                 CGaP against the others, paired by seed
    caption NAME                     benchmark, preset, board, seeds
    command NAME                     the command that makes the numbers
    figure NAME KIND                 a link to a figure
    value NAME METHOD COLUMN         one number with its interval
    share NAME METHOD OTHER COLUMN   a number as a percentage of another method's
    measured SCRIPT FIGURE           a figure, to three significant digits
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.measured import Measured

Renderer = Callable[..., str]
T = TypeVar("T")

_BLOCK = re.compile(r"<!-- generated: (?P<what>.+?) -->(?P<body>.*?)<!-- end -->", re.DOTALL)
_OPENING = "<!-- generated: "
_N_WORDS = {
    "table": 1,
    "differences": 1,
    "caption": 1,
    "command": 1,
    "figure": 2,
    "value": 3,
    "share": 4,
    "measured": 2,
}


def fill(text: str, render: Callable[[Sequence[str]], str]) -> str:
    """The page with everything between its markers made anew.

    Content of several lines is set apart by line breaks; one line stays in its sentence.

    Args:
        text: The page.
        render: The words of a marker -> what belongs between it and its end.

    Raises:
        UsageError: A marker is not closed.
    """

    def replace(match: re.Match[str]) -> str:
        content = render(shlex.split(match["what"])).rstrip("\n")
        around = "\n\n" if "\n" in content else ""
        return f"{_OPENING}{match['what']} -->{around}{content}{around}<!-- end -->"

    filled, n_blocks = _BLOCK.subn(replace, text)
    if n_blocks != text.count(_OPENING):
        raise UsageError("a '<!-- generated: ... -->' marker has no '<!-- end -->'")
    return filled


def renderer(
    known: Sequence[Comparison],
    measured: Measured,
    page: Path,
    figure_path: Callable[[Comparison, str], Path],
) -> Callable[[Sequence[str]], str]:
    """What `fill` needs to fill one page from the comparisons there are.

    Args:
        known: The comparisons that markers may name.
        measured: The figures that markers may name.
        page: The page, for relative links.
        figure_path: Where the figure of a kind is.

    Raises:
        UsageError: (By the returned function) a marker asks for something unknown.
    """
    by_name = {one.name: one for one in known}

    def render(words: Sequence[str]) -> str:
        word, *arguments = words
        if word not in _N_WORDS:
            raise UnknownNameError("generated content", word, _N_WORDS)
        if len(arguments) != _N_WORDS[word]:
            raise UsageError(
                f"marker {' '.join(words)!r}: {word!r} takes {_N_WORDS[word]} words,"
                f" not {len(arguments)}"
            )
        name, *rest = arguments
        if word == "measured":
            return f"{_find('figure', rest[0], _find('script', name, measured)):.3g}"
        one = _find("comparison", name, by_name)
        if word == "figure":
            return _link(one, page, figure_path(one, rest[0]))
        return _TEXT[word](one, *rest)

    return render


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
    table = comparison.differences
    return table.markdown() if table else "One seed: no paired differences."


def _link(comparison: Comparison, page: Path, figure: Path) -> str:
    """A Markdown image with a link relative to the page."""
    link = os.path.relpath(figure.resolve(), page.resolve().parent)
    return f"![{comparison.title}]({Path(link).as_posix()})"


_TEXT: Mapping[str, Renderer] = {
    "table": lambda one: one.table.markdown(),
    "differences": _differences,
    "caption": lambda one: one.caption,
    "command": lambda one: f"`{one.command}`",
    "value": lambda one, method, column: one.cell(method, column),
    "share": lambda one, method, other, column: one.share(method, other, column),
}
