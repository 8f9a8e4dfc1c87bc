"""What an array uses, what switching tasks costs, and which widths fill the lanes."""

import pytest

from cgap_hw import CostModelError, LayerShape, board_names, load_board, network_cost
from cgap_hw.arrays import Dpu
from cgap_hw.evidence.zoo import network
from cgap_hw.price.advice import advise, nearest_widths
from cgap_hw.price.switching import resident_together, stored_words, switch_cost
from cgap_hw.price.usage import Banks, usage

LAYERS = [
    LayerShape(
        name="conv", kind="conv", n_in=16, n_out=25, in_h=16, in_w=16, out_h=16, out_w=16,
        kernel_h=3, kernel_w=3, padding_h=1, padding_w=1, bias=True,
    ),
    LayerShape(name="head", kind="linear", n_in=25 * 256, n_out=10, bias=True),
]  # fmt: skip


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


def test_switching_moves_every_weight_once():
    board = load_board("zcu102")
    words = 16 * 25 * 9 + 25 + 25 * 256 * 10 + 10
    assert stored_words(LAYERS) == words
    switch = switch_cost(LAYERS, board)
    assert switch.n_bytes == words
    assert switch.time_ms == pytest.approx(words / (19.2 * 0.75) * 1e-6 + 2 * 10e-6)
    assert switch.stays_on_chip
    assert switch_cost(LAYERS, board, bits=16).n_bytes == 2 * words
    assert not switch_cost(network("vgg16"), board).stays_on_chip
    with pytest.raises(CostModelError, match="at least one layer"):
        switch_cost([], board)


def test_as_many_subnetworks_as_fit_smallest_first():
    board = load_board("pynq-z2")
    room = board.resources.on_chip_bits * 0.8 * 0.45 / 8
    several = {f"task {i}": LAYERS for i in range(10)} | {"huge": network("vgg16")}
    chosen = resident_together(several, board)
    assert chosen == [f"task {i}" for i in range(int(room // stored_words(LAYERS)))]


def test_nearest_widths():
    assert nearest_widths(25, 24) == (24, 48)
    assert nearest_widths(24, 24) == (24, 24)
    assert nearest_widths(10, 24) == (None, 24)


def test_one_unit_too_many_costs_a_whole_group_of_lanes():
    """25 channels on 24 lanes take two passes: 24 take one, 48 take no longer to compute."""
    board = load_board("zcu102")
    conv, head = advise(LAYERS, board)
    assert (conv.narrower, conv.wider) == (24, 48)
    assert conv.channel_ratio == pytest.approx(25 / 48)
    assert conv.lane_ratio == pytest.approx(25 / 48)
    half = 16 * 9 * 2 * 2 * 1e3 / 200
    assert conv.narrower_saves_ns == pytest.approx(half, rel=0.05)
    assert conv.wider_adds_ns < 0.05 * half
    assert (head.narrower, head.wider, head.narrower_saves_ns) == (None, 24, 0.0)
    assert head.lane_ratio == pytest.approx(10 / (64 * 24))
    now = network_cost(LAYERS, board).layers[0].latency_ns
    less = network_cost([LAYERS[0].model_copy(update={"n_out": 24})], board).layers[0]
    assert conv.narrower_saves_ns == pytest.approx(now - less.latency_ns)


def test_depthwise_layers_fill_lanes_of_their_own():
    """30 channels on a DPU's 16: 16 take half as long; elsewhere each channel is a pass."""
    layer = LayerShape(
        name="d", kind="conv", n_in=30, n_out=30, groups=30, in_h=14, in_w=14, out_h=14,
        out_w=14, kernel_h=3, kernel_w=3, padding_h=1, padding_w=1,
    )  # fmt: skip
    board = load_board("zcu102")
    (one,) = advise([layer], board, Dpu(clock_mhz=300, source="test", layer_overhead_ns=0))
    assert (one.kind, one.narrower, one.wider) == ("depthwise", 16, 32)
    assert one.narrower_saves_ns == pytest.approx(9 * 4 * 14 * 1e3 / 300)
    (one,) = advise([layer], board)
    assert (one.narrower, one.wider, one.channel_ratio) == (30, 30, 1)
