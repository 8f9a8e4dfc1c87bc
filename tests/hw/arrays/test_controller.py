"""Arrays with the controller of `hardware/rtl`, priced without a simulator."""

import math

import pytest

from cgap_hw import CostModelError, CostOptions, LayerShape, load_board, network_cost
from cgap_hw.arrays import Controller
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.zoo import network
from cgap_hw.price.explore_rtl import explore_rtl

CONV = LayerShape(
    name="conv",
    kind="conv",
    n_in=8,
    n_out=10,
    in_h=9,
    in_w=9,
    out_h=9,
    out_w=9,
    kernel_h=3,
    kernel_w=3,
    padding_h=1,
    padding_w=1,
)


THIN = LayerShape(
    name="thin", kind="conv", n_in=8, n_out=8, in_h=8, in_w=8, out_h=8, out_w=8, groups=8
)


HEAD = LayerShape(name="head", kind="linear", n_in=30, n_out=10)


POOL = LayerShape(
    name="pool",
    kind="pool",
    n_in=10,
    n_out=10,
    in_h=9,
    in_w=9,
    out_h=4,
    out_w=4,
    kernel_h=2,
    kernel_w=2,
    stride_h=2,
    stride_w=2,
)


@pytest.fixture
def board():
    return load_board("pynq-z2")


@pytest.fixture
def array():
    return load_array("rtl-4x4x4")


def test_cycles_by_hand(board, array):
    """3 x 3 tiles of 4 x 4 pixels; a depthwise 1 x 1 field waits for its four rows."""
    cost = network_cost([CONV, POOL, THIN, HEAD], board, array)
    conv, _, thin, head = (layer.cycles for layer in cost.layers)
    assert conv == 9 * 8 * math.ceil(10 / 4) * 3 * 3
    assert thin == 4 * 8 * 2 * 2
    assert head == 30 * 3
    plain = network_cost([THIN], board, array.model_copy(update={"controller": None}))
    assert plain.layers[0].cycles == thin / 4


def test_a_linear_layer_is_moved_once(board, array):
    cost = network_cost([HEAD, CONV], board, array)
    head, conv = cost.layers
    assert head.dram_bytes == 30 + 30 * 10 + 10
    assert conv.dram_bytes >= 8 * 81 + 10 * 8 * 9 + 10 * 81  # tiles share rows
    assert conv.latency_ns >= conv.compute_ns


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bits": 12}, "words of 8 or 16 bits, got 12"),
        ({"bits": 24}, "words of 8 or 16 bits, got 24"),
        ({"bits": 32}, "words of 8 or 16 bits, got 32"),
        ({"options": CostOptions(resident_weights=True)}, "neither weights nor maps"),
    ],
)
def test_what_the_controller_cannot_do_is_refused(board, array, change, said):
    with pytest.raises(CostModelError, match=said):
        network_cost([CONV], board, array, **change)


def test_dilated_layers_are_refused_by_name(board, array):
    """The machine's addresses know no gaps; a window of one pixel has none."""
    gaps = CONV.model_copy(update={"name": "aspp", "dilation_h": 2, "dilation_w": 2})
    for price in (network_cost, explore_rtl):
        with pytest.raises(CostModelError, match=r"layer 'aspp' has dilation 2 x 2; .*rtl"):
            price([CONV, gaps], board, array)
    point = THIN.model_copy(update={"dilation_h": 2})
    assert network_cost([point], board, array).latency_ms > 0
    assert network_cost([gaps], board).latency_ms > 0


def test_layers_beyond_the_buffers_are_refused(board, array):
    with pytest.raises(CostModelError, match=r"layer 1 .* does not fit"):
        network_cost([CONV, HEAD.model_copy(update={"n_in": 9000})], board, array)


def test_an_image_network_is_priced_quickly_enough(board, array):
    cost = network_cost(network("resnet18"), board, array)
    lanes = cost.macs / array.n_macs / (array.clock_mhz * 1e3)
    assert lanes < cost.latency_ms < 2 * lanes


def test_larger_buffers_are_never_slower(board, array):
    large = {**array.controller.model_dump(), "weight_words": 8192, "pixel_words": 8192}
    small = {**large, "weight_words": 256, "pixel_words": 256}
    costs = [
        network_cost(
            [CONV], board, array.model_copy(update={"controller": Controller(**words)})
        ).latency_ms
        for words in (large, small)
    ]
    assert costs[0] <= costs[1]
