"""What a chip gives at each word width."""

from itertools import pairwise

import pytest

from cgap_hw import LayerShape, board_names, load_board, network_cost
from cgap_hw.chips.chip import packed_products

WIDTHS = (1, 2, 4, 8, 16)
LAYER = LayerShape(name="x", kind="conv", n_in=64, n_out=64, in_h=8, in_w=8, out_h=8, out_w=8)


@pytest.mark.parametrize("name", board_names())
def test_narrow_words_cost_less(name):
    """A word of 4 bits takes less of everything than one of 8; likewise 2 and 1."""
    board = load_board(name)
    per_dsp = [board.resources.macs_per_dsp(bits) for bits in WIDTHS]
    assert per_dsp[:3] == [10, 6, 4]
    assert per_dsp == sorted(per_dsp, reverse=True)
    for part in ("low", "mid", "high"):
        energies = [getattr(board.energy.mac_pj(bits), part) for bits in WIDTHS]
        assert all(less < more for less, more in pairwise(energies[:4]))
    costs = [network_cost([LAYER], board, bits=bits) for bits in WIDTHS]
    assert all(a.dram_bytes < b.dram_bytes for a, b in pairwise(costs))
    assert all(a.energy_mj.mid < b.energy_mj.mid for a, b in pairwise(costs))


def test_products_in_one_multiplier():
    """Two of 8 bits share an operand in 27 x 18 (WP486); two by two of 4 bits (WP521)."""
    assert [packed_products(8, width, 18) for width in (25, 27)] == [1, 2]
    assert [packed_products(4, width, 18) for width in (25, 27)] == [4, 4]
    for bits in (1, 2, 4):
        two_multipliers = 2 * packed_products(bits, 19, 18)
        assert packed_products(bits, 25, 18) == packed_products(bits, 27, 18) == two_multipliers


@pytest.mark.parametrize("name", board_names())
def test_wide_words_take_four_multipliers_wherever_they_lie(name):
    """32 x 32 bits are four products of 18 x 18: four blocks of AMD's, two of Intel's."""
    has = load_board(name).resources
    assert 4 * has.macs_per_dsp(32) == has.macs_per_dsp(16)
    assert has.macs_per_dsp(32) == (0.5 if has.block_kind == "M20K" else 0.25)
