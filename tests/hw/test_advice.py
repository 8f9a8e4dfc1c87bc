"""Lanes lost and widths that fill them; switching between tasks."""

import pytest

from cgap_hw import CostModelError, LayerShape, load_board, network_cost
from cgap_hw.advice import advise
from cgap_hw.switching import resident_together, switch_cost


def conv(n_out, **more):
    sizes = dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), 16)
    return LayerShape(name=f"c{n_out}", kind="conv", n_in=48, n_out=n_out, **sizes, **more)


def test_widths_next_to_a_layer_fill_the_lanes():
    """The array is 8 x 8 x 24: 50 channels take three groups, 48 two, 72 three."""
    board = load_board("zcu102")
    odd, full, thin = advise([conv(50), conv(48), conv(10)], board)
    assert (odd.narrower, odd.wider) == (48, 72)
    assert (full.narrower, full.wider, full.channel_ratio) == (48, 48, 1)
    assert (thin.narrower, thin.wider) == (None, 24)
    assert odd.lane_ratio == pytest.approx(50 / 72)
    cycles = [network_cost([conv(n)], board).layers[0].cycles for n in (48, 50, 72)]
    assert cycles[0] < cycles[1] == cycles[2]
    assert odd.narrower_saves_ns > 0


def test_groups_fill_lanes_each():
    (layer,) = advise([conv(40, groups=2)], load_board("zcu102"))
    assert (layer.narrower, layer.wider) == (None, 48)


def test_switching_moves_weights_and_biases():
    layers = [conv(50, bias=True)]
    slow, fast = (switch_cost(layers, load_board(b)) for b in ("pynq-z2", "zcu102"))
    assert slow.n_bytes == fast.n_bytes == 48 * 50 + 50
    assert slow.time_ms > fast.time_ms
    assert slow.stays_on_chip
    with pytest.raises(CostModelError, match="at least one layer"):
        switch_cost([], load_board("zcu102"))


def test_subnetworks_that_stay_on_chip_together():
    board = load_board("pynq-z2")
    large = LayerShape(name="l", kind="linear", n_in=4000, n_out=4000)
    tasks = {"a": [conv(50)], "b": [large], "c": [conv(20)]}
    assert resident_together(tasks, board) == ["c", "a"]
