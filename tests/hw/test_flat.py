"""The flat array: its parts against brute force, and its errors on published latencies."""

import numpy as np
import pytest

from cgap_hw import CostModelError, LayerShape, load_board
from cgap_hw.arrays import FlatArray
from cgap_hw.arrays.flat import StageTimes, Window, flow_shop, window_lines
from cgap_hw.boards.catalogue import load_array, on_board
from cgap_hw.evidence.calibrate import calibrate, fit_flat
from cgap_hw.evidence.measured import MeasuredLayer, data_folder, read_measured
from cgap_hw.evidence.validate import (
    by_size,
    leave_one_out,
    network_errors,
    price_rows,
    summary,
)


def measured():
    """Rows of cnn_accel, or a skip that says where they were looked for."""
    try:
        return read_measured(data_folder() / "cnn_accel" / "layers_dev.csv")
    except CostModelError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "window",
    [
        (13, 13, 13, 13, 3, 3, 1, 1, 1, 1),
        (28, 28, 14, 14, 1, 1, 2, 2, 0, 0),
        (27, 21, 14, 11, 3, 3, 2, 2, 1, 1),
        (9, 9, 9, 9, 5, 5, 1, 1, 2, 2),
    ],
)
def test_lines_are_those_between_the_outermost_pixels(window):
    ix, iy, ox, oy, kx, ky, sx, sy, px, py = window
    p = 32
    touched = []
    for y in range(oy):
        for x in range(ox):
            rows = [min(max(y * sy - py + k, 0), iy - 1) for k in (0, ky - 1)]
            columns = [min(max(x * sx - px + k, 0), ix - 1) for k in (0, kx - 1)]
            touched.append((rows[0] * ix + columns[0], rows[1] * ix + columns[1]))
    for i, lines in enumerate(window_lines(Window(*window), p)):
        tile = touched[i * p : (i + 1) * p]
        first, last = min(a for a, _ in tile), max(b for _, b in tile)
        assert lines == last // 16 - first // 16 + 1


def test_flow_shop_is_the_simulated_makespan():
    rng = np.random.default_rng(3)
    for _ in range(20):
        lines = rng.integers(1, 12, size=5).astype(float)
        depth, element, write = int(rng.integers(2, 6)), float(rng.integers(4, 60)), 80.0
        tiles = StageTimes(lines, 2, depth, element, 10.0, 4.0)
        read_end = multiply_end = write_end = 0.0
        for n in [*lines, *lines]:
            for i in range(depth):
                # The fixed costs come with the tile's last element.
                read_end += 4 * n + (4.0 if i == depth - 1 else 0.0)
                multiply_end = max(multiply_end, read_end) + element
                multiply_end += 10.0 if i == depth - 1 else 0.0
            write_end = max(write_end, multiply_end) + write
        assert flow_shop(tiles, write)[0] == pytest.approx(write_end)


def test_any_size_has_a_name():
    assert load_array("M48P80").dimensions == (48, 80)
    with pytest.raises(CostModelError, match="m0p32"):
        load_array("m0p32")


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


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "m.csv"
    head = (
        "accelerator,network,layer_name,layer_type,nif,nof,nix,niy,nox,noy,nkx,nky,stride,"
        "latency_ns\n"
    )
    for text, said in [
        ("a,b\n", "no column accelerator"),
        (head, "no rows"),
        (head + "zcu102,n,l,Sigmoid,1,1,1,1,1,1,1,1,1,5\n", "line 2: unknown layer_type"),
        (head + "zcu102,n,l,Conv,-1,1,1,1,1,1,1,1,1,5\n", "line 2: n_in: .* got -1"),
        (head + "zcu102,n,l,Conv,1,1,1,1,1,1,1,1,1,0\n", "latency_ns must be above 0"),
        (head + "zcu102,n,l,Conv,x,1,1,1,1,1,1,1,1,5\n", "line 2: invalid literal"),
    ]:
        path.write_text(text)
        with pytest.raises(CostModelError, match=said):
            read_measured(path)
    with pytest.raises(CostModelError, match="cannot read"):
        read_measured(tmp_path / "none.csv")
    with pytest.raises(CostModelError, match="unknown array 'm32x'"):
        on_board("m32x")


def test_errors_on_published_layers_have_not_grown():
    """Chen and Wu's 856 layers; the limits are the committed errors, rounded up."""
    rows = measured()
    priced = price_rows(rows)
    found = summary(priced)["by_kind"]
    assert len(rows) == 856
    for kind, mape, worst in [
        ("conv", 0.05, 2.2),
        ("pool", 0.2, 1.3),
        ("linear", 1e-6, 1e-5),
        ("add", 1e-6, 1e-5),
    ]:
        assert found[kind]["mape_pct"] <= mape
        assert found[kind]["worst_pct"] <= worst
    assert network_errors(priced).mape_pct <= 0.01


@pytest.mark.parametrize(
    ("what", "rows", "mape", "worst", "networks"),
    [("network", 156, 0.11, 2.2, 0.011), ("accelerator", 236, 0.15, 3.2, 0.03)],
)
def test_errors_on_unseen_shapes_have_not_grown(what, rows, mape, worst, networks):
    found = leave_one_out(measured(), what)
    assert found["unseen conv"].rows == rows
    assert found["unseen conv"].mape_pct <= mape
    assert found["unseen conv"].worst_pct <= worst
    assert found["networks"].mape_pct <= networks
