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


def test_of_several_turns_the_median_counts_and_the_range_is_shown(page):
    figures = {f"two_of_one_turn_{k}": value for k, value in enumerate((1.95, 1.7, 1.75), 1)}
    *_, last = page.table({"two_jobs": figures | {"two_of_one_less": 9.0}}).splitlines()
    assert last.endswith("| 1.75 (1.7 to 1.95) | at least 1.8 | **missed** |")


@pytest.mark.parametrize("source", ["records", "plan"])
def test_a_default_preset_says_where_its_minutes_are_from(page, source):
    *_, last = page.table({"default_presets": {f"split_mnist_{source}": 3.21}}).splitlines()
    assert last == (
        f"| default preset of split-mnist, two processes, by its {source} | 3.21 min"
        " | at most 20 min | met |"
    )
