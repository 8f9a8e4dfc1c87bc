"""Published speeds of whole networks on the DPU, within stated errors."""

import numpy as np
import pytest

from cgap_hw.evidence.published import (
    dpu_rows,
    first_layer_ms,
    yolo_measured,
    yolo_port_gbps,
    yolo_savings,
)

# Errors that the model may not exceed: worst row, mean of the rows that were not fitted.
DPU_ERRORS = {"KV260": (8.8, 5.4), "ZCU104": (10.5, 6.7), "ZCU102": (19.6, 11.3)}


@pytest.fixture
def boards_csv(data):
    return data / "boards.csv"


@pytest.mark.parametrize("board", DPU_ERRORS)
def test_dpu_errors_do_not_grow(board, boards_csv):
    _, rows = dpu_rows(boards_csv, board)
    worst, mean = DPU_ERRORS[board]
    errors = {row.published: abs(row.error_pct) for row in rows}
    assert len(errors) >= 20
    assert max(errors.values()) < worst
    assert np.mean([abs(r.error_pct) for r in rows if not r.fitted]) < mean


@pytest.mark.parametrize("board", ["KV260", "ZCU104", "ZCU102"])
def test_the_depthwise_first_layer_of_inception_v2_costs_milliseconds(board, boards_csv):
    """Two versions that differ in nothing else, on a release where nothing is fitted."""
    measured, modelled = first_layer_ms(boards_csv, board)
    assert 3.0 < measured < 3.3
    assert measured < modelled < 1.4 * measured  # 25, 30 and 38 % too much


@pytest.mark.parametrize("board", ["ZCU102", "ZCU104", "Ultra96"])
def test_pruned_yolo_saves_as_measured(board, boards_csv):
    """The right order, and the saving within 10 points."""
    port = yolo_port_gbps(boards_csv, board)
    mine, theirs = yolo_savings(board, port), yolo_measured(boards_csv, board)
    assert mine == sorted(mine, reverse=True)
    assert np.max(np.abs(np.subtract(mine, theirs))) < 0.05
