"""What an array uses, and what a board has not."""

import pytest

from cgap_hw import CostModelError, LayerShape, board_names, load_board
from cgap_hw.evidence.zoo import network
from cgap_hw.price.banks import Banks
from cgap_hw.price.usage import usage

LAYERS = [
    LayerShape(
        name="conv",
        kind="conv",
        n_in=16,
        n_out=25,
        in_h=16,
        in_w=16,
        out_h=16,
        out_w=16,
        kernel_h=3,
        kernel_w=3,
        padding_h=1,
        padding_w=1,
        bias=True,
    ),
    LayerShape(name="head", kind="linear", n_in=25 * 256, n_out=10, bias=True),
]


def test_blocks_of_published_memories():
    """Yosys 0.23: 2048 x 256 bits take 29 RAMB18, 2048 x 128 take 15."""
    assert Banks("wide", 1, 256, 2048).blocks("RAMB18") == 29
    assert Banks("half", 1, 128, 2048).blocks("RAMB18") == 15
    assert Banks("deep", 2, 80, 5000).uram == 2 * 2 * 2


@pytest.mark.parametrize(("bits", "dsp"), [(8, 8 * 8 * 24 // 2), (16, 8 * 8 * 24)])
def test_two_narrow_multipliers_share_a_dsp_block(bits, dsp):
    board = load_board("zcu102")
    assert usage(LAYERS, board, board.array, bits).dsp == dsp
    odd = board.array.model_copy(update={"pof": 23})
    pairs = 12 if bits == 8 else 23
    assert usage(LAYERS, board, odd, bits).dsp == 8 * 8 * pairs


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("bits", [8, 16])
def test_every_board_holds_its_own_array(name, bits):
    board = load_board(name)
    for layers in (LAYERS, network("resnet18"), network("vgg16")):
        used = usage(layers, board, board.array, bits)
        assert 0 < used.ratios["dsp"] <= 1
        assert used.ratios["block_ram"] + used.ratios["uram"] > 0
        assert max(used.ratios["block_ram"], used.ratios["uram"]) <= 1


def test_too_many_multipliers_are_refused_unless_stated_as_logic():
    board = load_board("arria-10-gx1150")
    bare = board.array.model_copy(update={"logic_macs": 0})
    with pytest.raises(CostModelError, match=r"has 1518 dsp, and this array needs 1568"):
        usage(LAYERS, board, bare)
    used = usage(LAYERS, board, board.array)
    assert used.dsp == 1518
    assert used.logic_macs == 100
    assert any("dsp 100 % is above the usual 80 %" in text for text in used.warnings)
