"""Tables as LaTeX compile: all committed ones, and cells of whatever a record may be called."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cgap_bench.show.tables import Table

TABLES = Path(__file__).parents[3] / "results" / "tables"
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""
EVERY_SIGN = "".join(map(chr, range(32, 127))) + " ± µ ≤ é 中 \\input{/etc/passwd}"

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed"
)


def _compiled(text, folder):
    """What pdflatex says of a document; it must end well and make pages."""
    (folder / "all.tex").write_text(DOCUMENT % text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if line.startswith(("!", "l."))
    )
    assert (folder / "all.pdf").stat().st_size > 0
    return done.stdout


@needs_latex
@pytest.mark.slow
def test_all_committed_tables_compile(tmp_path):
    tables = sorted(TABLES.rglob("*.tex"))
    assert tables
    _compiled("\n\\clearpage\n".join(path.read_text() for path in tables), tmp_path)


@needs_latex
@pytest.mark.slow
def test_every_sign_compiles(tmp_path):
    table = Table(("method", EVERY_SIGN), ((EVERY_SIGN, "12.3 ± 0.4"), ("-", "<0.001")))
    said = _compiled(table.latex(), tmp_path)
    assert "passwd" not in said  # no file was read
