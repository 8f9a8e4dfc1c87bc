"""Prices equal the counts that they are fast forms of; users may bring their own."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    CGaPConfig,
    GrowthPolicy,
    Plan,
    PlasticNetwork,
)
from cgap_cl.blocks.kinds import Kind
from cgap_cl.change import surgery
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


def weights(block):
    """Layer -> the weights that a block has there, laterals included."""
    counts = {}
    for layer in block.layout.layers:
        if layer.dense:
            module = block.layer(layer.name)
            parts = [module.own, *(lateral.op for _, lateral in module.sources())]
            counts[layer.name] = sum(part.weight.numel() for part in parts)
        elif layer.kind is Kind.GROUPED:
            counts[layer.name] = block.body.get_submodule(layer.name).weight.numel()
    return counts


@pytest.mark.parametrize("name", ["chain", "depthwise", "concat", "residual"])
def test_prices_equal_the_weights_that_there_are(architectures, name, read):
    """Price first, change afterwards; the column reads all of the block before but its head."""
    network = PlasticNetwork(architectures[name](), torch.zeros(2, 2, 6, 6))
    network.sprout(0, 3)
    network.merge()
    column = network.sprout(1, 3)
    read(network, [0])
    positions, reference = network.reference.positions, network.reference
    elders = weights(network.block(0))
    del elders[network.layout.head]
    for add in (0, 1, 5):
        widths = {g: n + add for g, n in column.widths.items()}
        shares = price.macs(network)(widths), price.parameters(network)(widths)
        surgery.apply(column, Plan(grow={g: [0] * add for g in widths}))
        own = weights(column)
        n_macs = sum(n * positions[k] for part in (own, elders) for k, n in part.items())
        assert shares[0] == n_macs / reference.macs
        assert shares[1] == sum(own.values()) / reference.parameters


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
