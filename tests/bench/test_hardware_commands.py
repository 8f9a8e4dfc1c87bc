"""Pricing from the command line: sources, tables, calibration, clear errors."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.record.record import write_record
from cgap_hw import CostModelError, LayerShape, load_board, network_cost, write_shapes
from cgap_hw.boards.catalogue import on_board
from cgap_hw.evidence.measured import data_folder
from cgap_hw.price.usage import usage

NETWORK = [
    LayerShape(
        name="conv", kind="conv", n_in=16, n_out=40, in_h=20, in_w=20, out_h=20, out_w=20,
        kernel_h=3, kernel_w=3, padding_h=1, padding_w=1,
    ),
    LayerShape(name="head", kind="linear", n_in=16000, n_out=10),
]  # fmt: skip
HEADER = (
    "accelerator,network,layer_name,layer_type,nif,nof,nix,niy,nox,noy,nkx,nky,stride,"
    "pad_left,pad_top,latency_ns\n"
)


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def measured(path, accelerator, factor=1.0):
    """A CSV of layers timed on a model of the accelerator, all slower by a factor."""
    lines = [HEADER]
    board = on_board(accelerator)
    for i, (n_in, n_out, size) in enumerate([(64, 64, 28), (128, 256, 14), (64, 128, 56)]):
        shape = LayerShape(
            name=f"c{i}", kind="conv", n_in=n_in, n_out=n_out, in_h=size, in_w=size,
            out_h=size, out_w=size, kernel_h=3, kernel_w=3, padding_h=1, padding_w=1,
        )  # fmt: skip
        time = network_cost([shape], board).timing.latency_ns[0] * factor
        lines.append(
            f"{accelerator},n,c{i},Conv,{n_in},{n_out},{size},{size},{size},{size},3,3,1,1,1,"
            f"{time:.3f}\n"
        )
    path.write_text("".join(lines))
    return path


def test_cost_of_a_list_of_layers(tmp_path):
    path, figure = tmp_path / "net.json", tmp_path / "roofline.png"
    write_shapes(NETWORK, path)
    result = run("cost", path, "--board", "zcu102", "--figure", figure)
    assert result.exit_code == 0, result.output
    assert "convolutions" in result.output
    assert "linear" in result.output
    assert figure.stat().st_size > 1000
    content = json.loads(run("cost", path, "--board", "zcu102", "--json").output)
    cost = network_cost(NETWORK, load_board("zcu102"))
    assert content["networks"]["net"]["latency_ms"] == cost.latency_ms
    assert content["unsupported"] == {}


def test_cost_on_another_array_and_of_torchvision():
    result = run("cost", "torchvision:squeezenet1_1", "--array", "m32p64", "--json")
    assert result.exit_code == 0, result.output
    network = json.loads(result.output)["networks"]["torchvision:squeezenet1_1"]
    assert network["macs"] == 349151936


def test_resources_are_shown_and_too_many_refused(tmp_path):
    path = tmp_path / "net.json"
    write_shapes(NETWORK, path)
    board = load_board("pynq-z2")
    used = usage(NETWORK, board, board.array)
    text = run("cost", path, "--board", "pynq-z2").output
    assert f"uses          {used.dsp} DSP (58 %), {used.block_ram} RAMB18" in text
    assert "warning       lut" in text
    content = json.loads(run("cost", path, "--board", "pynq-z2", "--json").output)
    assert content["networks"]["net"]["resources"]["dsp"] == used.dsp
    refused = run("cost", path, "--board", "pynq-z2", "--array", "zcu102")
    assert refused.exit_code == 2
    assert "PYNQ-Z2 has 220 dsp, and this array needs 1536" in refused.output
    assert "not modelled for flat arrays" in run("cost", path, "--array", "m32p64").output


def test_advice_names_the_widths_that_fill_the_lanes(tmp_path):
    path = tmp_path / "net.json"
    write_shapes(NETWORK, path)
    text = run("cost", path, "--board", "zcu102", "--advice").output
    (line,) = [x for x in text.split("widths that fill")[1].splitlines() if x[:4] == "conv"]
    assert line.split()[2:8:2] == ["40", "24", "48"]


def test_tasks_of_a_record_are_switched_between(tmp_path, make_record):
    path = write_record(make_record(widths=[4, 8, 400]), tmp_path)
    text = run("cost", path, "--board", "pynq-z2").output
    lines = text.split("switching to")[1].splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["yes", "yes", "yes"]
    assert "on chip together: 3 of 3, cgap, task 1, cgap, task 2, cgap, task 3" in text
    content = json.loads(run("cost", path, "--board", "pynq-z2", "--json").output)
    assert len(content["fit_on_chip_together"]) == 3
    # conv: 9 weights and a bias a channel; head: 20 weights a channel and 2 biases
    assert content["networks"]["cgap, task 1"]["switch"]["n_bytes"] == 4 * (9 + 1 + 20) + 2


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("cost", "net.txt"), "torchvision:resnet18"),
        (("cost", "absent.json"), "cannot read absent.json"),
        (("cost", "torchvision:resnet81"), "'resnet18'"),
        (("cost", "torchvision:squeezenet1_1", "--board", "zcu12"), "'zcu102'"),
        (("cost", "torchvision:squeezenet1_1", "--bits", "0"), "--bits"),
        (("calibrate", "absent.csv", "--array", "zcu102", "--out", "x.toml"), "absent.csv"),
        (("validate-hardware", "--measured", "absent.csv"), "absent.csv"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(args, named):
    result = run(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output


def test_calibrated_board_is_a_board_and_fits_better(tmp_path):
    rows, out = measured(tmp_path / "rows.csv", "zcu102", factor=1.2), tmp_path / "mine.toml"
    result = run("calibrate", rows, "--array", "zcu102", "--out", out)
    assert result.exit_code == 0, result.output
    before, after = load_board("zcu102"), load_board(out)
    assert after.dram.efficiency_ratio.mark == "fitted"
    assert after.array.error_pct < 20
    assert after.resources == before.resources
    assert run("cost", "torchvision:squeezenet1_1", "--board", out).exit_code == 0


def test_only_rows_of_the_array_are_fitted(tmp_path):
    """Or those of its family, or of the one accelerator there is; never a mixture."""
    rows, out = measured(tmp_path / "rows.csv", "m32p64"), tmp_path / "mine.toml"
    slow = measured(tmp_path / "slow.csv", "zcu102", factor=3)
    with rows.open("a") as file:
        file.writelines(slow.read_text().splitlines(keepends=True)[1:])
    said = run("calibrate", rows, "--array", "M32P64", "--out", out).output
    assert "fitted on 3 shapes" in said
    assert "3 rows of other accelerators left out" in said
    assert load_board(out).array.error_pct < 1
    mixed = run("calibrate", rows, "--array", "M32P32", "--out", out)
    assert mixed.exit_code == 2
    assert "no rows of 'M32P32', but of several accelerators: m32p64, zcu102" in mixed.output
    family = measured(tmp_path / "rows.csv", "m64p64")
    assert run("calibrate", family, "--array", "M32P32", "--out", out).exit_code == 0
    assert load_board(out).array.dimensions == (32, 32)
    assert load_board(out).array.error_pct < 1
    named = tmp_path / "named.csv"
    named.write_text(slow.read_text().replace("zcu102", "my-board"))
    assert run("calibrate", named, "--array", "zcu102", "--out", out).exit_code == 0


def test_validation_of_own_measurements(tmp_path):
    rows = measured(tmp_path / "rows.csv", "m32p64", factor=1.1)
    content = json.loads(run("validate-hardware", "--measured", rows, "--json").output)
    assert content["rows"] == len(content["layers"]) == 3
    for errors in (content, content["by_kind"]["conv"]):
        assert errors["mape_pct"] == pytest.approx(100 / 11, rel=1e-4)
        assert errors["worst_pct"] == pytest.approx(100 / 11, rel=1e-4)
        assert errors["mean_error_pct"] == pytest.approx(-100 / 11, rel=1e-4)
    layer = content["layers"][0]
    assert layer["low_ns"] < layer["predicted_ns"] < layer["high_ns"]
    assert "farthest off" in run("validate-hardware", "--measured", rows).output


def test_explore_shows_the_front(tmp_path):
    path = tmp_path / "net.json"
    write_shapes(NETWORK, path)
    content = json.loads(run("explore", path, "--board", "pynq-z2", "--json").output)
    rows = content["pareto"]
    assert content["n_designs"] > len(rows) > 0
    assert all(row["dsp"] <= 220 for row in rows)
    assert rows == sorted(rows, key=lambda row: row["latency_ms"])
    assert "no other is better" in run("explore", path, "--top", "3").output


def test_the_page_shows_what_the_model_says(tmp_path):
    try:
        data_folder()
    except CostModelError as error:
        pytest.skip(str(error))
    page = Path(__file__).parents[2] / "hardware" / "README.md"
    copy = tmp_path / "README.md"
    copy.write_text(page.read_text())
    assert run("validate-hardware", "--page", copy).exit_code == 0
    assert copy.read_text() == page.read_text()
    copy.write_text("no markers")
    assert run("validate-hardware", "--page", copy).exit_code == 2
