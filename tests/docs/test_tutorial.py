"""The tutorial runs, as a notebook; its pages and the examples keep their promises."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PATIENCE_S = 600  # of a machine that does other things besides


@pytest.mark.slow
def test_the_tutorial_runs_as_a_notebook():
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    from nbclient import NotebookClient

    notebook = jupytext.read(TUTORIAL)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 6
    NotebookClient(notebook, timeout=PATIENCE_S, kernel_name="python3").execute()  # raises
    printed = "".join(
        output.get("text", "") for cell in code for output in cell.get("outputs", [])
    )
    assert "task 1" in printed  # prices of the networks


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) < 60


def test_every_page_is_in_the_contents():
    contents = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"- {page.name}" in contents, page.name


def test_all_that_the_reference_is_about_exists():
    """The site is not built where a name is unknown."""
    named = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert len(named) > 3
    for name in named:
        assert resolve_name(name).__doc__, name
