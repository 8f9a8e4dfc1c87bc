"""Designs explored from the command line."""

import json

from cgap_bench.record.store import write_record


def test_the_fastest_design_is_written_as_files(run, network, tmp_path):
    folder = tmp_path / "design"
    result = run("explore", network, "--board", "pynq-z2", "--write", folder)
    assert f"written: {folder / 'board.toml'}" in result.output
    assert run("cost", network, "--board", folder / "board.toml").exit_code == 0
    assert not (folder / "parameters.svh").exists()
    blocked = run("explore", network, "--board", "pynq-z2", "--write", network)
    assert blocked.exit_code == 2
    assert "cannot write" in blocked.output


def test_arrays_of_the_rtl_are_explored_and_written(run, network, tmp_path):
    words = ("explore", network, "--board", "arty-a7-100t", "--array", "rtl-4x4x4")
    result = run(*words, "--write", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    (best, *_) = json.loads(result.output)["pareto"]
    text = (tmp_path / "parameters.svh").read_text()
    assert f"localparam int POX = {best['pox']};" in text
    assert f"localparam int IN_DEPTH = {best['pixel_words']};" in text
    assert run("cost", network, "--board", tmp_path / "board.toml").exit_code == 0


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


def test_what_is_not_known_of_the_designs_is_said(run, network):
    """No fit of LUTs reaches as many DSP blocks as the fastest designs of the U250 take."""
    words = ("explore", network, "--board", "alveo-u250", "--top", "2")
    assert "resources unknown, of 2 of these 2 designs: LUTs: fitted" in run(*words).output
    assert list(json.loads(run(*words, "--json").output)["resources_unknown"].values()) == [2]
    assert "resources unknown" not in run("explore", network, "--board", "pynq-z2").output


def test_a_record_has_networks_that_are_not_explored(run, make_record, tmp_path):
    record = write_record(make_record(), tmp_path)
    text = run("explore", record, "--board", "pynq-z2", "--top", "1").output
    assert "cgap, task 1 on pynq-z2" in text
    assert "explored for this network only; the source has 2 more" in text
