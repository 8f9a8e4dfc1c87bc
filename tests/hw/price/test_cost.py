"""Prices on every board, against counts by hand and bounds that no accelerator can beat."""

import math

import pytest

from cgap_hw import (
    CostModelError,
    LayerShape,
    board_names,
    load_board,
    network_cost,
)

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


POOL = LayerShape(
    name="pool",
    kind="pool",
    n_in=100,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=7,
    out_w=7,
    kernel_h=2,
    kernel_w=2,
    stride_h=2,
    stride_w=2,
    pool_kind="max",
)


LINEAR = LayerShape(name="head", kind="linear", n_in=4900, n_out=10, bias=True)


NETWORK = [CONV, POOL, LINEAR]


def test_cycles_of_the_board_s_array():
    """8 x 8 x 24: 9 * 64 windows, ceil(100 / 24) = 5, ceil(14 / 8) = 2 both ways."""
    conv, pool, linear = network_cost(NETWORK, load_board("zcu102")).layers
    assert conv.cycles == 9 * 64 * 5 * 2 * 2
    assert pool.cycles == math.ceil(100 * 49 * 4 / 64)
    assert linear.cycles == 4900


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("bits", [8, 16])
def test_every_board_prices_the_network(name, bits):
    cost = network_cost(NETWORK, load_board(name), bits=bits)
    parts = cost.conv_latency_ms + cost.linear_latency_ms + cost.other_latency_ms
    assert cost.latency_ms == pytest.approx(parts)
    assert 0 < cost.energy_mj.low < cost.energy_mj.mid < cost.energy_mj.high
    assert cost.energy_mj.mid == pytest.approx(
        sum(e.mid for e in cost.energy_split_mj.values())
    )
    words = CONV.n_weights + LINEAR.n_weights + 64 * 196 + 2 * 100 * 196 + 2 * 4900 + 10
    assert cost.dram_bytes >= words * bits / 8
    assert 0 < cost.utilisation_ratio <= 1


@pytest.mark.parametrize(
    ("layers", "bits", "said"),
    [([], 8, "at least one layer"), ([CONV], 0, "bits must be 1 to 32, got 0")],
)
def test_what_cannot_be_priced_is_refused(layers, bits, said):
    with pytest.raises(CostModelError, match=said):
        network_cost(layers, load_board("zcu102"), bits=bits)


def test_counts_of_the_network_are_sums_over_its_layers():
    cost = network_cost(NETWORK, load_board("zcu102"))
    assert cost.macs == CONV.macs + LINEAR.macs
    assert cost.n_weights == 57600 + 49000


@pytest.mark.parametrize("name", board_names())
def test_products_and_batches_are_priced_on_every_board(name):
    """As the grouped convolution that reads as many words; a batch never costs more than as
    many images one by one.
    """
    board = load_board(name)
    area = {"in_h": 6, "in_w": 1, "out_h": 6, "out_w": 1}
    product = LayerShape(name="x", kind="matmul", n_in=32, n_out=64, groups=4, **area)
    conv = product.model_copy(update={"kind": "conv"})
    first, second = (network_cost([layer], board) for layer in (product, conv))
    assert first.macs == second.macs == 4 * 6 * 8 * 16
    assert first.dram_bytes == second.dram_bytes
    assert first.latency_ms == second.latency_ms
    assert first.matmul_latency_ms == second.conv_latency_ms
    assert first.n_weights == 0

    batch = network_cost([conv.model_copy(update={"batch": 8})], board)
    assert batch.macs == 8 * second.macs
    assert second.latency_ms <= batch.latency_ms <= 8 * second.latency_ms
