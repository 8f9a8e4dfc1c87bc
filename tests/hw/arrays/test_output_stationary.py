"""Lanes of the Pox x Poy x Pof array, by hand."""

import pytest

from cgap_hw import LayerShape
from cgap_hw.arrays import Dpu, OutputStationary
from cgap_hw.boards.catalogue import load_array
from cgap_hw.layers.table import LayerTable


def tokens(h, w, kind="conv", **more):
    size = {"in_h": h, "in_w": w, "out_h": h, "out_w": w}
    return LayerShape(name="tokens", kind=kind, n_in=96, n_out=40, **(size | more))


@pytest.mark.parametrize("kind", ["conv", "matmul"])
def test_tokens_fill_the_lanes_of_both_axes(kind):
    """197 tokens on 8 x 8 lanes are 4 groups, 40 channels on 24 are 2; 96 steps each."""
    array = OutputStationary(pox=8, poy=8, pof=24, clock_mhz=200, source="test")
    column, row = tokens(197, 1, kind), tokens(1, 197, kind)
    table = LayerTable.of([column, row])
    assert array.mac_cycles(table).tolist() == [96 * 4 * 2] * 2
    dpu = Dpu(clock_mhz=300, source="test")
    assert dpu.mac_cycles(table).tolist() == [6 * 3 * 25] * 2


def test_maps_with_neighbours_and_the_machine_of_the_rtl_keep_their_axes():
    """A 3 x 1 window over a column; a map of two rows; a controller that walks rows."""
    array = OutputStationary(pox=8, poy=8, pof=24, clock_mhz=200, source="test")
    window = tokens(197, 1, kernel_h=3, padding_h=1)
    table = LayerTable.of([window, tokens(2, 100)])
    assert array.mac_cycles(table).tolist() == [3 * 96 * 25 * 2, 96 * 13 * 2]
    built = load_array("rtl-4x4x4")
    (cycles,) = built.mac_cycles(LayerTable.of([tokens(197, 1)]))
    assert cycles == 96 * 50 * 10
