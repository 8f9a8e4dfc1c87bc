"""DSP blocks and block RAM of the synthesised array against the closed forms."""

import pytest

from cgap_hw.price.banks import Banks
from rtl.driver import Design
from rtl.synthesis import (
    HOW,
    MAPPED,
    PLACED,
    SIZES,
    Placed,
    affine_fit,
    cells_of,
    mapped_luts,
    place,
    predicted,
    synthesise,
    tool,
)

needs_yosys = pytest.mark.skipif(tool("yosys") is None, reason=HOW)
needs_nextpnr = pytest.mark.skipif(
    tool("yosys") is None or tool("nextpnr-ecp5") is None, reason=HOW
)


def macs(design):
    return design.pox * design.poy * design.pof


def test_blocks_of_published_memories():
    """2048 x 256 bits: 29 RAMB18, 2048 x 128: 15 (Yosys 0.23, hardware notes)."""
    assert Banks("wide", 1, 256, 2048).blocks("RAMB18") == 29
    assert Banks("half", 1, 128, 2048).blocks("RAMB18") == 15


def test_closed_form_of_the_small_array():
    """16 banks of 2048 x 8, one of 2048 x 32 (4 blocks), 4 of 512 x 32; no two MACs a block."""
    small = predicted(Design(4, 4, 4))
    assert (small.dsp, small.block_ram) == (64, 16 + 4 + 4)


@pytest.mark.parametrize(
    "report",
    [
        '{"modules": {"m": {"num_cells_by_type": {"X": 1}}},'
        ' "design": {"num_cells_by_type": {"X": 3, "Y": 2}}}',
        '{"modules": {"m": {"num_cells_by_type": {"X": 1}}},\n   m   1\n'
        ' "num_cells": 5, "num_cells_by_type": {\n"X": 3,\n"Y": 2\n}\n}}',
    ],
    ids=["Yosys 0.40", "Yosys 0.23"],
)
def test_cells_of_the_whole_design_are_read(report):
    assert cells_of(report) == {"X": 3, "Y": 2}


@needs_yosys
@pytest.mark.slow
@pytest.mark.parametrize("design", SIZES, ids=str)
def test_synthesis_uses_the_predicted_blocks(design, tmp_path):
    assert synthesise(design, tmp_path) == predicted(design)


@needs_yosys
@pytest.mark.slow
def test_luts_of_the_smallest_array_are_those_of_the_page(tmp_path):
    """The first row of the table that `cgap_hw.price.luts` is fitted to, made by Yosys 0.70.

    Versions map a little otherwise: Yosys 0.23 finds 3796, 5.3 % more.
    """
    assert mapped_luts(MAPPED[0], tmp_path) == pytest.approx(3604, rel=0.08)


@needs_nextpnr
@pytest.mark.slow
def test_luts_of_routed_arrays_grow_in_proportion_to_the_macs(tmp_path):
    """The shape of the affine model, not its constants: these LUTs have four inputs."""
    placed = [place(design, tmp_path / str(i)) for i, design in enumerate(PLACED)]
    fixed, per_mac, worst = affine_fit(placed)
    assert fixed > 0
    assert per_mac > 0
    assert worst < 0.05
    for p in placed:
        assert p.multipliers == macs(p.design)


def test_the_fit_of_a_straight_line_has_no_error():
    line = [Placed(design, 100 + 7 * macs(design), 0, 0, 0) for design in PLACED]
    assert affine_fit(line) == pytest.approx((100, 7, 0))
