"""Layers cut into tiles: what is read once, and what cannot be cut."""

import pytest

from cgap_hw import (
    CostModelError,
    LayerShape,
    load_board,
    network_cost,
)
from cgap_hw.evidence.ma import ma_cost
from cgap_hw.evidence.zoo import network

CONV = LayerShape(
    name="conv",
    kind="conv",
    n_in=64,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=14,
    out_w=14,
    kernel_h=3,
    kernel_w=3,
    padding_h=1,
    padding_w=1,
    bias=True,
)


def test_a_layer_too_wide_for_the_buffers_is_named():
    wide = CONV.model_copy(update={"in_w": 4_000_000, "out_w": 4_000_000})
    with pytest.raises(CostModelError, match=r"layer 1 .* cannot be tiled into the buffers"):
        network_cost([CONV, wide], load_board("pynq-z2"))


def test_ma_s_buffers_read_every_word_once():
    """Nothing but row halos beyond one pass: their policy would move no less."""
    layers = network("vgg16")
    cost = ma_cost("vgg16", (7, 7, 64), 200, load_board("arria-10-gx1150"))
    words = sum(
        layer.n_weights
        + layer.n_out * layer.out_h * layer.out_w
        + layer.n_in * layer.in_h * layer.in_w
        for layer in layers
    )
    assert 2 * words <= cost.dram_bytes < 2.01 * words
