"""Generated text inside hand-written pages: it sits between two comments, and only there.

A page holds ``<!-- generated: WORD ARGUMENT ... -->...<!-- end -->``. The word says which
program writes the text; each rewrites what it knows and leaves the rest alone, so that a page
may hold text of several. Words are split as in a shell: names with blanks are quoted.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from cgap_bench.errors import UsageError
from cgap_bench.record.files import read_text, write_file

# The words of a marker -> the text that belongs there; None: another program's.
Render: TypeAlias = Callable[[Sequence[str]], str | None]

OPENING = "<!-- generated: "
_BLOCK = re.compile(r"<!-- generated: (?P<what>.+?) -->(?P<body>.*?)<!-- end -->", re.DOTALL)


def fill(text: str, render: Render) -> str:
    """The page with everything between its markers made anew.

    Content of several lines is set apart by line breaks; one line stays in its sentence.

    Args:
        text: The page.
        render: The words of a marker -> what belongs between it and its end.

    Raises:
        UsageError: A marker is not closed, or its words cannot be told apart.

    Example:
        >>> page = "There are <!-- generated: count apples -->2<!-- end --> apples."
        >>> fill(page, lambda words: str(len(words[1])))
        'There are <!-- generated: count apples -->6<!-- end --> apples.'
    """

    def replace(match: re.Match[str]) -> str:
        content = render(_words(match["what"]))
        if content is None:
            return match[0]
        content = content.rstrip("\n")
        around = "\n\n" if "\n" in content else ""
        return f"{OPENING}{match['what']} -->{around}{content}{around}<!-- end -->"

    filled, n_blocks = _BLOCK.subn(replace, text)
    if n_blocks != text.count(OPENING):
        raise UsageError("a '<!-- generated: ... -->' marker has no '<!-- end -->'")
    return filled


def asked(text: str) -> list[str]:
    """What the markers of a page ask for, in order."""
    return [match["what"] for match in _BLOCK.finditer(text)]


def _words(what: str) -> list[str]:
    try:
        words = shlex.split(what)
    except ValueError as error:
        raise UsageError(f"marker {what!r}: {error}") from error
    if not words:
        raise UsageError(f"marker {what!r}: no word says what belongs there")
    return words


def fill_page(page: Path, word: str, text: str) -> None:
    """Writes a text where a page has the marker of that one word.

    Raises:
        UsageError: The page has no such marker, or cannot be read or written.
    """
    found = []

    def render(words: Sequence[str]) -> str | None:
        if list(words) != [word]:
            return None
        found.append(word)
        return text

    filled = fill(read_text(page), render)
    if not found:
        raise UsageError(f"{page} has no marker {OPENING}{word} -->")
    write_file(page, filled)
