"""The page on speed says what its scripts measured, and whether it is what was asked for."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "speed"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("speed_page", FOLDER / "page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(page):
    text = page.table(page.read_measurements(FOLDER))
    assert len(text.splitlines()) > 2
    assert text in (FOLDER / "README.md").read_text()


def test_a_figure_above_its_bar_is_said_to_miss_it(page):
    figures = {"whole_runs": {"cgap_of_fixed": 0.4, "mixed_of_sorted": 1.3}}
    _, _, ours, mixed = page.table(figures).splitlines()
    assert ours == "| CGaP of `fixed`, ten experiences | 0.4 | at most 0.5 | met |"
    assert mixed.endswith("| 1.3 | at most 1.2 | **missed** |")
    for value, said in ((1.9, "met"), (1.7, "**missed**")):
        *_, last = page.table({"two_jobs": {"two_of_one": value}}).splitlines()
        assert last.endswith(f"| {value} | at least 1.8 | {said} |")
