"""Peers beside the closed forms: the script says what it left out, and its page is its own."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from cgap_hw.arrays.systolic import Dataflow

SCRIPT = Path(__file__).parents[3] / "benchmarks/speed/peers.py"


@pytest.fixture(scope="module")
def peers():
    spec = importlib.util.spec_from_file_location("peers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_peer_that_is_not_there_is_left_out_with_the_reason(peers):
    text = peers.table({"scalesim": None, "zigzag": sys.executable})
    assert "SCALE-Sim is left out: no Python with scalesim was named." in text
    assert "ZigZag is left out: importlib.metadata.PackageNotFoundError" in text


def test_the_page_holds_what_the_closed_forms_give_today(peers):
    """SCALE-Sim prints a cycle less than it simulates, layer by layer."""
    page = (SCRIPT.parent / "peers.md").read_text()
    rows = re.findall(
        r"\| SCALE-Sim [\d.]+, (\w+) stationary \| (\d[^|]+) \| ([\d,]+) \| ([\d,]+) \|", page
    )
    assert len(rows) == 3 * len(peers.LAYERS)
    for i, (flow, name, theirs, mine) in enumerate(rows):
        answer = peers.ours(Dataflow(flow))
        layer = i % len(peers.LAYERS)
        assert name == peers.LAYERS[layer][0]
        assert int(mine.replace(",", "")) == answer.cycles[layer]
        assert int(theirs.replace(",", "")) == answer.cycles[layer] - 1
