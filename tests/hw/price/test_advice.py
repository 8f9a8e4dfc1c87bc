"""Which widths fill the lanes, and what they save."""

import pytest

from cgap_hw import LayerShape, load_board, network_cost
from cgap_hw.arrays import Dpu
from cgap_hw.price.advice import advise, nearest_widths

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
        name="d",
        kind="conv",
        n_in=30,
        n_out=30,
        groups=30,
        in_h=14,
        in_w=14,
        out_h=14,
        out_w=14,
        kernel_h=3,
        kernel_w=3,
        padding_h=1,
        padding_w=1,
    )
    board = load_board("zcu102")
    (one,) = advise([layer], board, Dpu(clock_mhz=300, source="test", layer_overhead_ns=0))
    assert (one.kind, one.narrower, one.wider) == ("depthwise", 16, 32)
    assert one.narrower_saves_ns == pytest.approx(9 * 4 * 14 * 1e3 / 300)
    (one,) = advise([layer], board)
    assert (one.narrower, one.wider, one.channel_ratio) == (30, 30, 1)
