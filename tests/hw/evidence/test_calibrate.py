"""Constants fitted to rows that the model itself made."""

from dataclasses import replace

import numpy as np
import pytest

from cgap_hw import CostModelError, LayerShape, load_board
from cgap_hw.arrays import FlatArray
from cgap_hw.boards.board_file import board_text
from cgap_hw.boards.catalogue import load_array, on_board
from cgap_hw.evidence.calibrate import calibrate, calibration
from cgap_hw.evidence.constants_fit import with_constants
from cgap_hw.evidence.flat_fit import fit_flat
from cgap_hw.evidence.measured import MeasuredLayer
from cgap_hw.evidence.predict import predict_ns
from cgap_hw.evidence.validate import (
    by_size,
    price_rows,
    summary,
)
from cgap_hw.evidence.zoo import network
from cgap_hw.price.cost import latency_ns

NETWORKS = ("resnet18", "mobilenet_v2", "vgg16", "squeezenet", "inception_v3", "resnet50")


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


def test_fewer_shapes_than_can_be_held_out_are_refused():
    rows = made_up(load_board("zcu102").array, "zcu102")
    for few in ([], rows[:1], [rows[0]] * 5, rows[:2]):
        with pytest.raises(CostModelError, match="at least 3 different shapes, got"):
            calibrate(few, load_board("zcu102"))
    assert calibration(rows[:3], load_board("zcu102")).n_constants == 1


@pytest.mark.parametrize("name", ["zcu102", "m32p64", "dpu-b1600"])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_another_unit_is_refused(name, factor):
    """Microseconds taken for nanoseconds gave negative constants."""
    board = on_board(name)
    rows = [
        replace(row, latency_ns=row.latency_ns * factor) for row in made_up(board.array, name)
    ]
    with pytest.raises(CostModelError, match="is latency_ns in nanoseconds"):
        calibrate(rows, board)


def test_one_wrong_row_is_named_and_spoils_nothing():
    board = load_board("zcu102")
    rows = made_up(board.array, "zcu102")[:5]
    for wrong, factor in [(0, 30), (3, 0.02), (4, 200)]:
        bad = replace(rows[wrong], latency_ns=rows[wrong].latency_ns * factor)
        found = calibration([*rows[:wrong], bad, *rows[wrong + 1 :]], board)
        assert [row for row, _ in found.outliers] == [bad]
        assert found.outliers[0][1] == pytest.approx(factor, rel=0.2)
        assert found.board.array.error_pct < 10
        assert found.shapes == 4


def test_repeats_are_kept_and_give_the_noise():
    board = load_board("zcu102")
    random = np.random.default_rng(0)
    rows = [
        replace(row, latency_ns=row.latency_ns * (1 + 0.05 * random.standard_normal()))
        for row in made_up(board.array, "zcu102") * 20
    ]
    found = calibration(rows, board)
    assert found.shapes == 6
    assert found.noise_pct == pytest.approx(5, rel=0.2)
    assert 5 < found.board.array.error_pct < 25
    assert calibration(rows[:6], board).noise_pct is None


def test_a_dpu_is_fitted_by_its_port():
    board = on_board("dpu-b1152")
    true = board.array.model_copy(update={"port_gbps": 1.5, "layer_overhead_ns": 4000.0})
    rows = made_up(true, "mine")
    fitted = calibrate(rows, board)
    assert fitted.array.port_gbps == pytest.approx(1.5, rel=0.05)
    assert fitted.dram == board.dram


def test_constants_stay_physical_and_the_board_can_be_read_again(tmp_path):
    """Rows of no cost of their own: the plane through them would go below zero."""
    none = dict.fromkeys(type(load_array("m32p32").constants).model_fields, 0.0)
    rows = []
    for m, p in [(32, 32), (32, 64), (64, 64)]:
        array = load_array(f"m{m}p{p}")
        free = array.constants.model_copy(update=none)
        rows += made_up(array.model_copy(update={"constants": free}), f"M{m}P{p}")
    rows = [
        replace(row, latency_ns=row.latency_ns * (0.8 if i % 2 else 1))
        for i, row in enumerate(rows)
    ]
    fitted = calibrate(rows, on_board("m32p32"))
    assert all(value >= 0 for value in fitted.array.constants.model_dump().values())
    path = tmp_path / "mine.toml"
    path.write_text(board_text(fitted))
    assert load_board(path).array == fitted.array


@pytest.mark.parametrize("n_rows", [3, 5, 10, 30])
def test_the_interval_holds_what_it_says(n_rows):
    """Boards of random constants, 5 % of noise, layers of real networks not fitted."""
    random = np.random.default_rng(n_rows)
    layers = [layer for name in NETWORKS for layer in network(name) if layer.computes]
    inside = []
    for _ in range(40):
        board = load_board(str(random.choice(["zcu102", "pynq-z2", "kv260", "ultra96"])))
        true = with_constants(
            board,
            {
                "efficiency_ratio": random.uniform(0.5, 0.95),
                "run_overhead_ns": random.uniform(0, 60),
                "layer_overhead_ns": 10 ** random.uniform(2.5, 4.3),
            },
        )
        some = [layers[i] for i in random.choice(len(layers), n_rows + 40, replace=False)]
        noise = 1 + 0.05 * random.standard_normal(len(some))
        times = np.array(latency_ns(some, true)) * noise
        rows = [MeasuredLayer("b", "n", x, float(t)) for x, t in zip(some, times, strict=True)]
        if len({row.key for row in rows[:n_rows]}) < 3:
            continue

        fitted = calibrate(rows[:n_rows], board)
        unseen = predict_ns(rows[n_rows:], fitted)
        error = np.abs(times[n_rows:] / unseen - 1)
        inside.append(np.mean(100 * error <= fitted.array.error_pct))
    assert np.mean(inside) >= 0.9
