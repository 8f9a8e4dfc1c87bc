"""Other releases of the DPU: what is stated of them holds."""

import numpy as np
import pytest

from cgap_hw import load_board, network_cost
from cgap_hw.arrays import Dpu
from cgap_hw.boards.catalogue import load_array, with_array
from cgap_hw.evidence.measured_networks import measured_networks
from cgap_hw.evidence.published import dpu_rows
from cgap_hw.evidence.releases import layer_constants, other_rows, zoo_release_rows
from cgap_hw.evidence.zoo import network, scaled


@pytest.fixture
def boards_csv(data):
    return data / "boards.csv"


def outside(rows, error_pct):
    """Rows whose measured time is not within the interval around the predicted one."""
    return [
        row for row in rows if abs(row.measured_ms / row.predicted_ms - 1) > error_pct / 100
    ]


def test_every_row_lies_in_the_interval_of_a_dpu(boards_csv):
    rows = zoo_release_rows(boards_csv) + other_rows(boards_csv)
    assert len(rows) > 100
    assert not outside(rows, Dpu(clock_mhz=300, source="any").error_pct)
    assert outside(rows, 60)  # a narrower one would not do


def test_a_dpu_by_name_holds_what_was_measured_on_a_small_board():
    """B1600 as the catalogue has it on the Ultra96 as its file has it: nothing fitted."""
    board, layers = with_array(load_board("ultra96"), "dpu-b1600"), network("resnet50_v1")
    rows = [row for row in measured_networks("DPU") if row.board == "Ultra96"]
    assert len(rows) == 6
    for row in rows:
        pruned = row.size_left_ratio < 1
        priced = network_cost(scaled(layers, row.size_left_ratio) if pruned else layers, board)
        ratio = 1000 / row.fps / priced.latency_ms
        assert abs(ratio - 1) < board.array.error_pct / 100


def test_pruned_networks_are_predicted_from_the_whole_one(boards_csv):
    """ResNet-50 with 30 and 80 % left: maps that are added stay as wide."""
    rows = [row for row in other_rows(boards_csv) if "left" in row.name]
    assert len(rows) == 4
    assert not any(row.fitted for row in rows)
    assert max(abs(row.error_pct) for row in rows) < 10


def test_scaling_keeps_the_sums_and_meets_the_size():
    whole = network("resnet50_v1")
    narrow = scaled(whole, 0.3)
    macs = [sum(layer.macs for layer in layers) for layers in (narrow, whole)]
    assert macs[0] / macs[1] == pytest.approx(0.3, abs=0.01)
    for before, after in zip(whole, narrow, strict=True):
        if before.kind == "add":
            assert after.n_out == before.n_out
        sources = [i for i in after.inputs if i >= 0]
        assert all(narrow[i].n_out == after.n_in for i in sources)
        if before.kernel_h == 3 and before.kind == "conv":
            assert after.n_out < 0.4 * before.n_out


@pytest.mark.slow
def test_no_constant_a_layer_explains_what_older_releases_lose(boards_csv):
    """Beside the port it is anything from none to tens of microseconds, and hardly helps."""
    rows = [row for row in zoo_release_rows(boards_csv) if not row.fitted]
    constants = layer_constants(boards_csv)
    for group, fitted in constants.items():
        errors = [abs(row.error_pct) for row in rows if (row.release, row.board) == group]
        assert fitted.mean_error_pct > np.mean(errors) - 1
    found = [fitted.constant_us for fitted in constants.values()]
    assert min(found) == 0
    assert max(found) > 40


def test_the_release_that_was_fitted_lies_in_its_own(boards_csv):
    array = load_array("dpu-b4096")
    for board in ("KV260", "ZCU104", "ZCU102"):
        assert not outside(dpu_rows(boards_csv, board)[1], array.error_pct)


def test_errors_of_older_releases_do_not_grow(boards_csv):
    rows = zoo_release_rows(boards_csv)
    assert {(row.release, row.board) for row in rows} == {
        ("zoo 1.4", "KV260"),
        ("zoo 1.4", "ZCU104"),
        ("zoo 1.4", "ZCU102"),
        ("SDK 2.0.4, DPU 1.4.0", "ZCU102"),
        ("SDK 2.0.4, DPU 1.4.0", "Ultra96"),
    }
    held_out = [abs(row.error_pct) for row in rows if not row.fitted]
    assert np.mean(held_out) < 10.5
    assert max(held_out) < 36


def test_every_fact_has_a_source_and_a_rate():
    rows = measured_networks("DPU") + measured_networks("FINN")
    assert len(rows) == 42
    assert all(row.source and row.fps > 0 for row in rows)
    assert {row.board for row in rows} == {"ZCU102", "ZCU104", "Ultra96"}
