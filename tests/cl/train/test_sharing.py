"""Columns that share: through growth, pruning and merging."""

import pytest
import torch
from torch import nn

from cgap_cl import Birth, CGaPConfig, Phases, PlasticNetwork
from cgap_cl.blocks.weight_counts import executed_widths
from cgap_cl.train.growth import GrowthLoop

X = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


WIDTH = 4


@pytest.fixture
def ancestor(request, architectures, randomise):
    """A network of one merged block of generic weights, by name of its architecture."""

    def make(name):
        torch.manual_seed(0)
        network = PlasticNetwork(architectures[name]().double(), X).eval()
        column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, WIDTH)))
        randomise(column, torch.Generator().manual_seed(1))
        network.merge()
        return network

    return make


def executed(network, label):
    """Units per group that one inference of a task runs."""
    return executed_widths(network.all_blocks(), network.layout, network.labels[label])


def learn(network, loop, label, steps=12):
    loop.sprout(label, 3)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.05, momentum=0.9)
    loop.start(steps)
    generator = torch.Generator().manual_seed(label)
    network.train()
    for _ in range(steps):
        x = torch.randn(8, 2, 6, 6, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (8,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x, label), y).backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)
    loop.finish(optimizer)
    network.eval()


def test_a_chain_of_columns_reads_the_units_of_the_first(ancestor):
    network = ancestor("chain")
    config = CGaPConfig(
        target_price=0.5, share_groups=1, phases=Phases(growth_events=2, pruning_steps=2)
    )
    loop, group = GrowthLoop(network, config), network.layout.groups[0]
    answers = {0: network(X, 0)}
    for label in (1, 2):
        learn(network, loop, label)
        answers[label] = network(X, label)
        assert network.block(label).widths[group] == 1  # neither grown nor pruned
        assert executed(network, label)[group] == WIDTH
        assert loop.history[-1]["executed"][group] == WIDTH
    for label, before in answers.items():
        assert torch.equal(network(X, label), before)
    readers = [layer.name for layer in network.block(2).plastic() if list(layer.sources())]
    assert readers == [network.layout.lateral_names[0]]
    assert network.block(2).sources() == {0}


def test_the_loop_restores_what_is_shared(ancestor):
    network = ancestor("chain")
    loop = GrowthLoop(network, CGaPConfig(target_price=0.5, share_groups=1))
    loop.sprout(1, 3)
    loop.start(8)
    other = GrowthLoop(network, loop.config)
    other.load_state_dict(loop.state_dict())
    assert other.limits == loop.limits
    assert other.limits[network.layout.groups[0]] == 1
