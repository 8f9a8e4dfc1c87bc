"""Prices equal the counts that they are fast forms of; users may bring their own."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    CGaPConfig,
    GrowthPolicy,
    PlasticNetwork,
)
from cgap_cl.blocks.weight_counts import elder_macs, macs, weight_counts
from cgap_cl.decide import price

X = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def column():
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    network = PlasticNetwork(reference.double(), X).train()
    return network, network.sprout(0, 3, Birth({"0": 5, "2": 4}))


@pytest.mark.parametrize("name", ["chain", "depthwise", "concat", "residual"])
def test_fast_prices_equal_the_counts(architectures, name, read):
    network = PlasticNetwork(architectures[name](), torch.zeros(2, 2, 6, 6))
    network.sprout(0, 3)
    network.merge()
    column = network.sprout(1, 3)
    read(network, [0])
    layout, positions = network.layout, network.reference.positions
    for add in (0, 1, 5):
        widths = {g: n + add for g, n in column.widths.items()}
        shares = price.macs(network)(widths), price.parameters(network)(widths)
        counts, reference = weight_counts(column, layout, widths), network.reference
        elders = elder_macs(network.all_blocks(), layout, positions, 1)
        assert shares[0] == (macs(counts, positions) + elders) / reference.macs
        assert shares[1] == sum(counts.values()) / reference.parameters


WIDE = GrowthPolicy(linear_capacity=1.0)


def test_a_price_of_ones_own(network, strategy, stream):
    def units(widths):
        return sum(widths.values()) / sum(network.layout.widths.values())

    config = CGaPConfig(target_price=0.7, growth=WIDE, price=price.of_widths(units))
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] == pytest.approx(
        sum(network.block(0).widths.values()) / 15
    )
    wrong = CGaPConfig(price=lambda network: 0.5)
    with pytest.raises(TypeError, match=r"price\.of_widths"):
        strategy(network, config=wrong).train(stream.train_stream[1])
