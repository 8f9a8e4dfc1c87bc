"""Newborns: what they start as, and that they come to differ from their parents."""

import pytest
import torch

from cgap_cl import Birth, Plan
from cgap_cl.change import surgery
from cgap_cl.change.newborn import FanOut, Random, Split
from cgap_cl.change.optimizer_state import carry

X = torch.randn(16, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]
PRESERVING = {
    "split": Split(),
    "split, not read": Split(0.5, FanOut.ZERO),
    "random": Random(),
}


@pytest.mark.parametrize("name", NAMES)
def test_splitting_preserves_the_function(name, fresh, randomise, error):
    network = fresh(name)
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    randomise(column, torch.Generator().manual_seed(3))
    before = network(X, 0)
    for newborn in (Split(0.0), Split(0.5, FanOut.ZERO), Random()):
        plan = Plan(grow={g: [0, 2, 2] for g in column.widths})
        surgery.apply(column, plan, newborn)
        assert error(network(X, 0), before) <= 1e-12


@pytest.fixture
def apart(loss):
    """Train, then ask how far unit 0 of the first group is from its newborn, 1, relatively."""

    def train(network, column, optimizer, steps=20):
        for _ in range(steps):
            loss(network)
            optimizer.step()
        weight = column.layer("0").own.weight.detach()
        return float((weight[0] - weight[1]).norm() / weight[0].norm())

    return train


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", PRESERVING)
@pytest.mark.parametrize("reference", ["chain", "smooth"])
def test_newborns_and_parents_diverge(name, reference, momentum, references, begin, apart):
    """Training drives every newborn away from its parent, whatever moves it."""
    network, column = begin(references[reference]())
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=momentum)
    apart(network, column, optimizer, 3)
    index_map = surgery.apply(column, Plan(grow={"0": [0]}), PRESERVING[name])
    carry(optimizer, index_map)
    newborn = column.layer("0").own.weight.detach()[1].clone()
    distance = apart(network, column, optimizer)
    moved = column.layer("0").own.weight.detach()[1] - newborn
    assert moved.norm() > 1e-3 * newborn.norm()  # it learns
    assert distance > 0.05


def test_exact_copies_need_momentum_to_diverge(begin, references, apart):
    """Exact copies with equal fan-out have equal gradients: only what moves them can differ.

    A newborn begins without its parent's momentum, which is enough; plain SGD keeps them alike
    for ever, so that the pair is one unit at the price of two. (Dropout would part them too.)
    """
    distances = []
    for momentum in (0.0, 0.9):
        network, column = begin(references["smooth"]())
        optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=momentum)
        apart(network, column, optimizer, 3)
        index_map = surgery.apply(column, Plan(grow={"0": [0]}), Split(0.0))
        carry(optimizer, index_map)
        distances.append(apart(network, column, optimizer))
    assert distances[0] < 1e-12
    assert distances[1] > 1e-3


def test_newborn_and_parent_diverge(fresh):
    """Noise parts them at birth, and training drives them further apart."""
    torch.manual_seed(0)
    network = fresh("chain").train()
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 2)))
    surgery.apply(column, Plan(grow={"4": [0]}), Split(noise=0.1))
    weight = column.layer("4").own.weight
    distance = [float((weight[0] - weight[1]).detach().norm())]
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=0.9)
    y = torch.tensor([0, 1, 2, 0, 1])
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(X[:5], 0), y).backward()
        optimizer.step()
    distance.append(float((weight[0] - weight[1]).detach().norm()))
    assert 0 < distance[0] < distance[1]
