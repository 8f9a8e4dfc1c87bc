"""Designs explored from the command line."""

import json


def test_explore_shows_the_front(run, network):
    content = json.loads(run("explore", network, "--board", "pynq-z2", "--json").output)
    rows = content["pareto"]
    assert content["n_designs"] > len(rows) > 0
    assert all(row["dsp"] <= 220 for row in rows)
    assert rows == sorted(rows, key=lambda row: row["latency_ms"])
    assert all(0 < row["usable_ratio"] <= 1 for row in rows)
    assert content["removed"]["dsp"] > 0
    text = " ".join(run("explore", network, "--top", "3").output.split())
    assert "no other is better" in text
    assert "need more DSP blocks than there are" in text
