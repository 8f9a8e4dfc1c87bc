"""LUTs: published designs beside the lines fitted to them, and no line beyond its designs."""

import numpy as np
import pytest

from cgap_hw import load_board
from cgap_hw.arrays.dpu_sizes import DPU_SIZES
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.measured import read_facts
from cgap_hw.evidence.zoo import network
from cgap_hw.price.luts import CHAIDNN, DPU, PLACED, RTL, lut_bounds, lut_estimate
from cgap_hw.price.usage import usage

# PG338 v1.2, table 9, low DSP usage: DSP blocks, LUTs.
FEW_DSP = [
    (66, 20759),
    (102, 21050),
    (130, 29155),
    (146, 30043),
    (202, 33130),
    (290, 37055),
    (394, 41714),
    (514, 44583),
]
# hardware/rtl/README.md: MACs and 4-input LUTs after nextpnr.
ECP5 = [(2, 6119), (8, 7982), (16, 11770), (32, 17123)]
# The same: DSP48E2 and LUTs after Yosys for UltraScale+, in the order of the table.
MAPPED = [
    (2, 3604),
    (8, 4689),
    (16, 6299),
    (28, 12841),
    (32, 9729),
    (64, 12041),
    (98, 15993),
    (128, 20291),
]


def line(pairs):
    """Base and slope of least relative squares."""
    x, y = np.array(pairs, dtype=float).T
    return np.linalg.lstsq(np.stack([1 / y, x / y], axis=1), np.ones(len(y)), rcond=None)[0]


def left_out(pairs):
    """Largest error of the line on a design that it was not fitted to."""
    errors = []
    for i, (x, y) in enumerate(pairs):
        base, slope = line(pairs[:i] + pairs[i + 1 :])
        errors.append(abs((base + slope * x) / y - 1))
    return max(errors)


def dpu_pairs():
    return FEW_DSP + [(size.dsp, size.lut) for size in DPU_SIZES.values()]


@pytest.fixture
def chaidnn_pairs(data):
    """DSP blocks and LUTs of the seven large designs."""
    rows = [r for r in read_facts(data / "boards.csv") if r["board"] in ("ZU9", "ZU7")]
    by_design = {}
    for row in rows:
        by_design.setdefault((row["board"], row["design"]), {})[row["metric"]] = row["value"]
    return [(float(d["resource_dsp"]), float(d["resource_lut"])) for d in by_design.values()]


def check(fit, pairs, rel=1e-3):
    base, slope = line(pairs)
    assert (fit.base, fit.per_dsp) == pytest.approx((base, slope), rel=rel)
    assert (fit.least, fit.most) == (min(pairs)[0], max(pairs)[0])
    assert fit.worst_ratio == pytest.approx(left_out(pairs), abs=0.006)


def test_the_line_of_the_dpu_and_its_error_on_what_was_left_out():
    check(DPU, dpu_pairs())
    later = DPU.base + DPU.per_dsp * 548  # a B3136 of a later release, not fitted
    assert later == pytest.approx(45_433, rel=0.06)


def test_the_line_of_chaidnn(chaidnn_pairs):
    check(CHAIDNN, chaidnn_pairs)


def test_the_line_of_the_rtl():
    check(PLACED, ECP5, rel=0.03)
    check(RTL, MAPPED)


def test_the_simulated_machine_has_an_estimate_on_a_board():
    """4 x 4 x 4: 64 blocks, of which Yosys makes 12,041 LUTs."""
    board = load_board("zcu104")
    layers, array = network("resnet18"), load_array("rtl-4x4x4")
    assert usage(layers, board, array).dsp == 64
    lut = usage(layers, board, array).lut
    assert lut.low <= 12_041 <= lut.high
    assert lut.mid == pytest.approx(RTL.base + 64 * RTL.per_dsp)


def test_published_designs_lie_in_the_interval(chaidnn_pairs):
    for dsp, lut in dpu_pairs() + chaidnn_pairs:
        low, _, high = lut_bounds(dsp)
        assert low <= lut <= high, dsp


def test_nothing_is_extrapolated():
    assert np.isnan(lut_bounds([40, 65, 1353])[0]).all()
    assert not np.isnan(lut_bounds([2, 32, 66, 642, 643, 1352])[0]).any()
    has = load_board("zcu102").resources
    assert lut_estimate(2000, 0, has) is None
    assert lut_estimate(128, 0, load_board("arria-10-gx1150").resources) is None
    board = load_board("vc707")
    (said,) = usage(network("resnet18"), board, board.array).unknown
    assert "66 to 642 (AMD's DPU), 297 to 1352 (CHaiDNN) DSP blocks" in said


def test_the_arrays_of_the_smallest_boards_fit_them():
    """The fixed part of a line through large designs alone was more than a Zynq-7020 has."""
    for name in ("pynq-z2", "arty-a7-100t"):
        board = load_board(name)
        used = usage(network("resnet18"), board, board.array)
        assert used.lut.mid == pytest.approx(18_260 + 45.33 * 128)
        assert used.ratios["lut"] < 0.5
        assert used.lut.high < board.resources.lut.mid


def test_more_logic_takes_more_luts():
    has = load_board("zcu102").resources
    assert lut_estimate(128, 100, has).mid == lut_estimate(128, 0, has).mid + 6000
