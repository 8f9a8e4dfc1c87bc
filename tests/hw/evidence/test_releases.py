"""Other releases of the DPU: what is stated of them holds."""

import numpy as np
import pytest

from cgap_hw.arrays import Dpu
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.measured_networks import measured_networks
from cgap_hw.evidence.published import dpu_rows
from cgap_hw.evidence.releases import other_rows, zoo_release_rows


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
