"""Observations note what layers read and give, only while they are attached."""

import pytest
import torch

from cgap_cl import CGaPConfig, GrowthPolicy, Phases
from cgap_cl.blocks.observing import Activities, LastBatch
from cgap_cl.change.gradmax import GradMax
from cgap_cl.decide.saliency import Activation
from cgap_cl.train.growth import GrowthLoop

X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def n_hooks(column):
    return sum(len(layer._forward_hooks) for layer in column.plastic())


@pytest.mark.parametrize("kind", [Activities, LastBatch])
def test_nothing_is_noted_once_it_is_closed(network, kind):
    column = network.sprout(0, 3)
    network.train()
    with kind(column) as seen:
        network(X, 0).sum().backward()
    notes = seen.means if kind is Activities else seen.ends
    assert set(notes) == {layer.name for layer in column.plastic()}
    assert n_hooks(column) == 0
    seen.clear()
    network(X, 0).sum().backward()
    assert not notes


def test_activities_are_means_of_training_batches(network):
    column = network.sprout(0, 3)
    with Activities(column) as seen:
        network.eval()(X, 0)
        assert not seen.means
        network.train()(X, 0)
    torch.testing.assert_close(seen.means["0"], X.abs().mean((0, 2, 3)))


def test_the_loop_watches_a_column_while_it_learns_and_no_longer(network):
    config = CGaPConfig(
        target_price=0.5,
        score=Activation(),
        newborn=GradMax(),
        growth=GrowthPolicy(linear_capacity=1.0),
        phases=Phases(0.5, 0.6, 0.8),
    )
    loop = GrowthLoop(network, config)
    column = loop.sprout(0, 3)
    assert n_hooks(column) == 2 * len(list(column.plastic()))
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    loop.start(8)
    network.train()
    for _ in range(8):
        optimizer.zero_grad()
        network(X, 0).square().mean().backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)
    loop.finish(optimizer)
    assert {"grow", "merge"} <= {entry["kind"] for entry in loop.history}
    assert n_hooks(column) == 0
