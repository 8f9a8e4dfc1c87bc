"""Priced multiply-adds against torch's counter: what differs or is missing is said."""

import json

import pytest

from cgap_bench.commands.counts import summary
from cgap_bench.shapes import counting
from cgap_bench.shapes.counting import Count

SWIN = "swin_v2_t"  # computes biases from constants, and has attention


def test_networks_are_counted_as_torch_does(run):
    rows = json.loads(run("validate-counts", "shufflenet_v2_x0_5", SWIN, "--json").output)
    assert [row["agrees"] for row in rows] == [True, True]
    assert [row["of_constants"] for row in rows] == [0, 18_662_400]
    assert [row["unsupported"] for row in rows] == [{}, {"function 'softmax'": 12}]
    assert rows[1]["counted"] == rows[1]["priced"] + 18_662_400


def test_the_table_says_what_differs(run, monkeypatch):
    text = run("validate-counts", "squeezenet1_1").output
    assert "squeezenet1_1    224  349,151,936      349,151,936             0  =" in text
    assert "1 networks: 1 priced as torch counts them, 0 otherwise" in text
    monkeypatch.setattr(counting, "total_macs", lambda layers: 1)
    text = run("validate-counts", "squeezenet1_1").output
    assert text.count("DIFFERENT") == 2
    assert "DIFFERENT: squeezenet1_1." in text


def test_a_page_is_written_between_its_markers(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before <!-- generated: counts --><!-- end --> after")
    assert run("validate-counts", "squeezenet1_1", "--page", page).exit_code == 0
    assert "| squeezenet1_1 | 224 | 349,151,936 | 349,151,936 | 0 | = |" in page.read_text()


def test_unknown_networks_are_refused(run):
    result = run("validate-counts", "squeezenet1_2")
    assert result.exit_code == 2
    assert "squeezenet1_1" in result.output


def test_operators_that_are_not_priced_are_counted():
    listed = Count("a", 8, 1, 1, 0, {"function 'softmax'": 1})
    assert "1 with operators that are listed" in summary([listed])


@pytest.mark.slow
def test_every_network_of_torchvision_is_counted_as_torch_does(run):
    rows = json.loads(run("validate-counts", "--json").output)
    assert len(rows) >= 80
    assert [row["name"] for row in rows if not row["agrees"]] == []
    assert {name for row in rows for name in row["unsupported"]} == {"function 'softmax'"}
