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
        "±": r"$\pm$",
    }
)


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
    return printable(text).translate(LATEX)


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.startswith(FORMULA) else text
    return value
