"""The paper's networks priced at its sizes: on every board, beside what is published."""

import json

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main


@pytest.fixture(scope="module")
def rows():
    return json.loads(CliRunner().invoke(main, ["price-published", "--json"]).output)


def test_every_pattern_is_priced_on_three_boards_at_two_widths(rows):
    platforms = {row["platform"] for row in rows} - {""}
    assert len(platforms) == 6
    patterns = {(row["network"], row["pattern"]) for row in rows if row["platform"]}
    assert len(patterns) == 4
    assert len(rows) == 4 * 6 + 3  # and one row of published figures for each network


def test_sizes_do_not_depend_on_the_board_but_latency_does(rows):
    resnet = [row["changes"] for row in rows if "60%" in row["pattern"] and row["platform"]]
    vgg = [change for change in resnet if change["macs"] < -70]
    assert not vgg or len(vgg) == 6  # SVHN's pattern also keeps 60 % of some layers
    first, *others = [change for change in resnet if change["macs"] > -70]
    assert {change["macs"] for change in others} == {first["macs"]}
    assert len({change["latency_ms"] for change in others}) > 1


def test_published_figures_are_shown_and_not_made_up(rows):
    told = {row["network"]: row["changes"] for row in rows if not row["platform"]}
    assert told["ResNet-110, cifar10"]["latency_ms"] == -40.2
    assert told["VGG-19, svhn"]["latency_ms"] is None


def test_the_page_says_what_dram_energy_consists_of(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- generated: published --><!-- end --><!-- generated: parts --><!-- end -->"
    )
    assert run("price-published", "--page", page).exit_code == 0
    text = page.read_text()
    assert "| ResNet-110, cifar10 | published, which units not told |" in text
    assert "| background [mJ] |" in text
    assert text.count(" → ") == 2 * 3 * 5  # patterns, boards, parts
