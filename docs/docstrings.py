"""Docstrings as the reference shows them: examples as code, references as names."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


def shown(text: str) -> str:
    """A docstring in Markdown, which takes the prompt of an example for a quotation."""
    lines, inside, edge = [], False, ""
    for line in ROLE.sub(r"`\1`", text).splitlines():
        begins = line.lstrip().startswith(">>>")
        indent = line[: len(line) - len(line.lstrip())]
        if begins and not inside:
            lines.append(f"{indent}```pycon")
            inside, edge = True, indent
        elif inside and not line.strip():
            lines.append(f"{edge}```")
            inside = False
        lines.append(line)
    return "\n".join([*lines, f"{edge}```"] if inside else lines)


class Docstrings(griffe.Extension):
    """Called by the builder of the reference for everything that it reads."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring, if there is one."""
        if obj.docstring is not None:
            obj.docstring.value = shown(obj.docstring.value)
