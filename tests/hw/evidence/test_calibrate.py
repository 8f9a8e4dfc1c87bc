"""Constants fitted to rows that the model itself made."""

import pytest

from cgap_hw import CostModelError, LayerShape, load_board
from cgap_hw.arrays import FlatArray
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.calibrate import calibrate, fit_flat
from cgap_hw.evidence.measured import MeasuredLayer
from cgap_hw.evidence.validate import (
    by_size,
    price_rows,
    summary,
)


def made_up(array, accelerator):
    """Rows that the model itself made."""
    shapes = [
        LayerShape(
            name="c",
            kind="conv",
            n_in=n,
            n_out=64,
            in_h=28,
            in_w=28,
            out_h=28,
            out_w=28,
            kernel_h=k,
            kernel_w=k,
            padding_h=k // 2,
            padding_w=k // 2,
        )
        for n, k in [(16, 1), (64, 3), (30, 5), (128, 1)]
    ]
    shapes += [LayerShape(name="f", kind="linear", n_in=512, n_out=n) for n in (100, 1000)]
    board = load_board("zcu102").model_copy(update={"array": array})
    rows = [MeasuredLayer(accelerator, "made-up", shape, 1.0) for shape in shapes]
    times = [p.predicted_ns for p in price_rows(rows, lambda _: board)]
    return [
        MeasuredLayer(accelerator, "made-up", s, t) for s, t in zip(shapes, times, strict=True)
    ]


def test_constants_that_made_the_rows_are_found_again():
    true = load_array("m32p64").constants.model_copy(update={"tile_ns": 14.0})
    rows = []
    for m, p in [(32, 32), (32, 64), (64, 64)]:
        array = FlatArray(m=m, p=p, clock_mhz=400, source="made up", constants=true)
        rows += made_up(array, f"M{m}P{p}")
    found = fit_flat(by_size(rows))
    assert found.tile_ns == true.tile_ns
    for name in ("conv_base_ns", "conv_per_m_ns", "conv_per_p_ns", "linear_base_ns"):
        assert getattr(found, name) == pytest.approx(getattr(true, name))


def test_other_styles_are_calibrated_too():
    board = load_board("zcu102")
    slow = board.array.model_copy(update={"layer_overhead_ns": 5500.0})
    rows = made_up(slow, "zcu102")
    assert summary(price_rows(rows))["mape_pct"] > 5
    fitted = calibrate(rows, board)
    assert fitted.array.layer_overhead_ns == pytest.approx(5500, rel=0.02)
    assert summary(price_rows(rows, lambda _: fitted))["mape_pct"] < 0.5
    with pytest.raises(CostModelError, match="no rows"):
        calibrate([], board)
