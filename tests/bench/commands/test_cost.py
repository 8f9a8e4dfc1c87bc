"""Pricing from the command line: tables, resources, switching, clear errors."""

import json

import pytest

from cgap_bench.record.store import write_record
from cgap_hw import load_board, network_cost
from cgap_hw.price.usage import usage


def test_cost_of_a_list_of_layers(run, tmp_path, network, layers):
    figure = tmp_path / "roofline.png"
    result = run("cost", network, "--board", "zcu102", "--figure", figure)
    assert result.exit_code == 0, result.output
    assert "convolutions" in result.output
    assert "linear" in result.output
    assert figure.stat().st_size > 1000
    content = json.loads(run("cost", network, "--board", "zcu102", "--json").output)
    cost = network_cost(layers, load_board("zcu102"))
    assert content["networks"]["net"]["latency_ms"] == cost.latency_ms
    assert content["networks"]["net"]["board_energy_mj"]["mid"] == cost.board_energy_mj.mid
    assert "board, processor and regulators not included" in result.output
    assert (
        f"whole board   {cost.board_energy_mj} mJ with 29 (20 to 29) W at idle" in result.output
    )
    plain = run("cost", network, "--board", "pynq-z2").output
    assert "whole board   unknown: the board file states no idle_w" in plain
    assert content["unsupported"] == {}


def test_cost_on_another_array_and_of_torchvision(run):
    result = run("cost", "torchvision:squeezenet1_1", "--array", "m32p64", "--json")
    assert result.exit_code == 0, result.output
    network = json.loads(result.output)["networks"]["torchvision:squeezenet1_1"]
    assert network["macs"] == 349151936


def test_resources_are_shown_and_too_many_refused(run, network, layers):
    board = load_board("pynq-z2")
    used = usage(layers, board, board.array)
    text = run("cost", network, "--board", "pynq-z2").output
    assert f"uses          {used.dsp} DSP (58 %), {used.block_ram} RAMB18" in text
    assert f"{used.lut.mid:,.0f} ({used.lut.low:,.0f} to {used.lut.high:,.0f}) LUT" in text
    content = json.loads(run("cost", network, "--board", "pynq-z2", "--json").output)
    assert content["networks"]["net"]["resources"]["dsp"] == used.dsp
    refused = run("cost", network, "--board", "pynq-z2", "--array", "zcu102")
    assert refused.exit_code == 2
    assert "PYNQ-Z2 has 220 dsp, and this array needs 1536" in refused.output
    assert "resources unknown: all" in run("cost", network, "--array", "m32p64").output


def test_advice_names_the_widths_that_fill_the_lanes(run, network):
    text = run("cost", network, "--board", "zcu102", "--advice").output
    (line,) = [x for x in text.split("widths that fill")[1].splitlines() if x[:4] == "conv"]
    assert line.split()[2:8:2] == ["40", "24", "48"]


def test_tasks_of_a_record_are_switched_between(run, tmp_path, make_record):
    path = write_record(make_record(widths=[4, 8, 400]), tmp_path)
    text = run("cost", path, "--board", "pynq-z2").output
    lines = text.split("switching to")[1].splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["yes", "yes", "yes"]
    assert "on chip together: 3 of 3, cgap, task 1, cgap, task 2, cgap, task 3" in text
    content = json.loads(run("cost", path, "--board", "pynq-z2", "--json").output)
    assert len(content["fit_on_chip_together"]) == 3
    # conv: 9 weights and a bias a channel; head: 20 weights a channel and 2 biases
    assert content["networks"]["cgap, task 1"]["switch"]["n_bytes"] == 4 * (9 + 1 + 20) + 2


def test_totals_are_bounds_where_something_is_not_priced(run, quantised):
    text = run("cost", quantised, "--input-shape", "x=4,6").output
    assert "net.onnx on zcu104, its own array, 4 bit" in text
    assert "input         x 4 x 6\n" in text
    assert "MACs          at least 120 " in text
    assert "latency       at least " in text
    assert "throughput    at most " in text
    assert "NOT priced, no layer shape: operator 'Softmax' (1x)" in text
    content = json.loads(run("cost", quantised, "--bits", "8", "--json").output)
    assert (content["complete"], content["bits"], content["inputs"]) == (
        False,
        8,
        {"x": [1, 6]},
    )


def test_a_network_whose_work_is_all_priced_has_no_bounds(run, network):
    text = run("cost", network).output
    assert "at least" not in text
    assert "at most" not in text


def test_image_sizes_are_printed_and_chosen(run):
    own = run("cost", "torchvision:squeezenet1_1").output
    assert "input         input 1 x 3 x 224 x 224\n" in own
    other = run("cost", "torchvision:squeezenet1_1", "--image-size", "112", "--json").output
    content = json.loads(other)
    assert content["inputs"] == {"input": [1, 3, 112, 112]}
    assert content["networks"]["torchvision:squeezenet1_1"]["macs"] < 349151936 / 3.9


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("cost", "torchvision:vit_b_32", "--image-size", "100"), "no images of 100 x 100"),
        (("cost", "net.json", "--image-size", "100"), "'net.json' is none"),
        (("cost", "net.json", "--input-shape", "x=1,3"), "'net.json' is none"),
        (("cost", "torchvision:vgg11", "--input-shape", "x=1,3"), "use --image-size"),
        (("explore", "net.onnx", "--input-shape", "1,3"), "'1,3' is not of the form NAME=1,3"),
        (("explore", "net.onnx", "--input-shape", "x=1,-3"), "'x=1,-3' is not of the form"),
    ],
)
def test_sizes_that_do_not_belong_are_refused_in_a_sentence(run, args, named):
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("cost", "net.txt"), "torchvision:resnet18"),
        (("cost", "absent.json"), "cannot read absent.json"),
        (("cost", "torchvision:resnet81"), "'resnet18'"),
        (("cost", "torchvision:squeezenet1_1", "--board", "zcu12"), "'zcu102'"),
        (("cost", "torchvision:squeezenet1_1", "--bits", "0"), "--bits"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(run, args, named):
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output
