"""Names from records in the languages of tables: nothing in them is read as a command."""

import re

from cgap_bench.record.plain import printable

FORMULA = ("=", "+", "-", "@")  # spreadsheets take a cell that begins so for one
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "_": r"\_",
        "%": r"\%",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",  # in LaTeX's own fonts this one and the next are other signs
        "|": "$|$",
        "±": r"$\pm$",
    }
)
LATIN = 0x17F  # the last letter that LaTeX's own fonts are asked for


def markdown(text: str) -> str:
    r"""Text within a line or a cell of a table: no HTML, no further cell, no link.

    >>> print(markdown("a|b<script>"), markdown("<0.001"))
    a\|b&lt;script> <0.001
    """
    plain = printable(text).replace("|", r"\|").replace("](", r"]\(")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", plain)


def latex(text: str) -> str:
    r"""Text of a cell of a ``tabular``.

    >>> print(latex("50 % ± 1 of {x_1}"))
    50 \% $\pm$ 1 of \{x\_1\}
    """
    known = (c if _in_fonts(c) else ascii(c)[1:-1] for c in printable(text))
    return "".join(known).translate(LATEX)


def _in_fonts(character: str) -> bool:
    """Whether pdflatex knows the sign; it stops at any other."""
    plain = character.isascii() or ord(character) in LATEX
    return plain or (character.isalpha() and ord(character) <= LATIN)


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.startswith(FORMULA) else text
    return value
