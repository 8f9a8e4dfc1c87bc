"""Generated text in `README.md`, between markers as in all pages of the project.

``<!-- generated: WORD [ARGUMENT ...] -->text<!-- end -->``
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from rtl.simulator import ROOT

PAGE = ROOT / "README.md"
OPENING = "<!-- generated: "
MARKED = re.compile(r"<!-- generated: (?P<what>.+?) -->(?P<body>.*?)<!-- end -->", re.DOTALL)


def row(*cells: object) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def markdown(head: Sequence[str], lines: Sequence[str]) -> str:
    """Return a Markdown table from its heads and lines; text may follow after a blank line."""
    return "\n".join([row(*head), "|---" * len(head) + "|", *lines])


def fill(text: str, render: Callable[[Sequence[str]], str | None]) -> str:
    """Return a page with its generated text content anew.

    Args:
        text: The page.
        render: From a marker's words to its text; None leaves it as it is.

    Raises:
        ValueError: A marker has no end.
    """

    def anew(match: re.Match[str]) -> str:
        content = render(shlex.split(match["what"]))
        if content is None:
            return match[0]
        around = "\n\n" if "\n" in content.rstrip("\n") else ""
        body = content.rstrip("\n")
        return f"{OPENING}{match['what']} -->{around}{body}{around}<!-- end -->"

    filled, n_marked = MARKED.subn(anew, text)
    if n_marked != text.count(OPENING):
        raise ValueError("a '<!-- generated: ... -->' marker has no '<!-- end -->'")
    return filled


def rewrite(name: str, text: str) -> None:
    """Put a text between the markers of that name in the page."""
    page = PAGE.read_text(encoding="utf-8")
    filled = fill(page, lambda words: text if list(words) == [name] else None)
    PAGE.write_text(filled, encoding="utf-8")
