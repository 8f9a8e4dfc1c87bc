"""Tables of `README.md` that programs write."""

from __future__ import annotations

from collections.abc import Sequence

from rtl.simulator import ROOT

PAGE = ROOT / "README.md"


def row(*cells: object) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def markdown(head: Sequence[str], lines: Sequence[str]) -> str:
    """Return a Markdown table from its heads and lines; text may follow after a blank line."""
    return "\n".join([row(*head), "|---" * len(head) + "|", *lines])


def rewrite(name: str, text: str) -> None:
    """Put a text between the markers of that name in the page."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
