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


def test_what_is_not_priced_is_said(run, network, quantised):
    text = run("explore", quantised, "--board", "pynq-z2").output
    assert "net.onnx (x 1 x 6) on pynq-z2, 4 bit" in text
    assert "(every price is a lower bound): operator 'Softmax' (1x)" in text
    content = json.loads(run("explore", quantised, "--board", "pynq-z2", "--json").output)
    assert content["unsupported"] == {"operator 'Softmax'": 1}
    assert "NOT priced" not in run("explore", network, "--board", "pynq-z2").output
