"""Newborns: what they start as, and that they come to differ from their parents."""

import copy

import pytest
import torch
from torch import nn

from cgap_cl import Birth, Plan, PlasticNetwork
from cgap_cl.blocks.observing import LastBatch
from cgap_cl.change import surgery
from cgap_cl.change.directions import singular_vectors
from cgap_cl.change.gradmax import GradMax
from cgap_cl.change.newborn import FanOut, Random, ScaledCopy, Split, net2wider
from cgap_cl.change.optimizer_state import carry

X = torch.randn(16, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 3
PRESERVING = {
    "split": Split(), "split, not read": Split(0.5, FanOut.ZERO), "random": Random(),
    "gradmax": GradMax(),
}  # fmt: skip
ARCHITECTURES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]


def smooth():
    """Convolution, convolution, linear: nothing between them has a kink or a bias."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.Tanh(), nn.Conv2d(4, 5, 3, bias=False),
        nn.Tanh(), nn.Flatten(), nn.Linear(80, 6, bias=False), nn.Tanh(), nn.Linear(6, 3),
    )  # fmt: skip


def begin(reference):
    torch.manual_seed(0)
    network = PlasticNetwork(reference.double(), X).train()
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    return network, column


def loss(network):
    network.zero_grad()
    value = nn.functional.cross_entropy(network(X, 0), Y)
    value.backward()
    return float(value.detach())


@pytest.mark.parametrize("group", ["0", "2", "5"])
@pytest.mark.parametrize("n", [1, 2])  # newborns
def test_gradmax_gives_the_largest_gradient(group, n, error):
    """No other outgoing weights of that size give the incoming ones a larger gradient."""
    network, column = begin(smooth())
    with LastBatch(column) as batch:
        loss(network)
    before = network(X, 0).detach()
    surgery.apply(column, Plan(grow={group: [0] * n}), GradMax(nudge=0), batch=batch)
    assert error(network(X, 0), before) <= 1e-12
    loss(network)
    own = column.layer(group).own.weight
    assert not own[1 : n + 1].detach().any()
    largest = own.grad[1 : n + 1].norm()
    reader = column.layer({"0": "2", "2": "5", "5": "7"}[group]).own.weight
    repeat = reader.shape[1] // column.widths[group]
    born = slice(repeat, (n + 1) * repeat)
    found = reader.detach()[:, born].clone()
    rows = found.unflatten(1, (n, repeat)).movedim(1, 0).flatten(1)  # one per newborn
    generator = torch.Generator().manual_seed(1)
    near = rows.T + 0.1 * rows.norm() * torch.randn(rows.T.shape, generator=generator).double()
    draws = [near, *torch.randn(20, *rows.T.shape, generator=generator, dtype=torch.float64)]
    others = []
    for draw in draws:  # orthogonal, as long as those found
        other = torch.linalg.qr(draw)[0].T * rows.norm(dim=1, keepdim=True)
        shape = (n, found.shape[0], repeat, *found.shape[2:])
        reader.data[:, born] = other.reshape(shape).movedim(0, 1).flatten(1, 2)
        loss(network)
        others.append(own.grad[1 : n + 1].norm())
    assert largest > max(others)
    assert largest > 1.1 * sum(others) / len(others)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradmax_almost_keeps_the_function(name, architectures, error):
    """The change shrinks with the nudge, in training and in eval mode."""
    network, column = begin(architectures[name]())
    network.eval()(X, 0)
    network.train()
    with LastBatch(column) as batch:
        loss(network)
    saved = copy.deepcopy(network)
    before = network.eval()(X, 0)
    changes = []
    for nudge in (1e-2, 1e-4):
        other = copy.deepcopy(saved).eval()
        plan = Plan(grow={g: [0, 2] for g in column.widths})
        surgery.apply(other.column, plan, GradMax(nudge), batch=batch)
        changes.append(error(other(X, 0), before))
    assert changes[0] < 0.5
    assert changes[1] <= changes[0] / 20


def test_gradmax_without_a_batch_copies(error):
    network, column = begin(smooth())
    before = network(X, 0)
    with LastBatch(column) as batch:  # none that went backward
        network(X, 0)
    surgery.apply(column, Plan(grow={"0": [1], "5": [0]}), GradMax(), batch=batch)
    assert error(network(X, 0), before) <= 1e-12
    assert torch.equal(column.layer("0").own.weight[1], column.layer("0").own.weight[2])


def test_subspace_iteration_finds_singular_vectors():
    """Large matrices: as a full decomposition gives them, up to sign."""
    generator = torch.Generator().manual_seed(0)
    strength = 0.8 ** torch.arange(600, dtype=torch.float64)
    draw = torch.randn(2, 700, 600, generator=generator, dtype=torch.float64)
    left, right = torch.linalg.qr(draw[0])[0], torch.linalg.qr(draw[1][:600])[0]
    found = singular_vectors(left @ strength.diag() @ right.T, 3, generator)
    for vectors, expected in zip(found, (left, right), strict=True):
        overlap = (vectors.T @ expected[:, :3]).abs()
        torch.testing.assert_close(
            overlap, torch.eye(3, dtype=torch.float64), atol=1e-3, rtol=0
        )


def apart(network, column, optimizer, steps=20):
    """Relative distance between unit 0 of the first group and its newborn, 1."""
    for _ in range(steps):
        loss(network)
        optimizer.step()
    weight = column.layer("0").own.weight.detach()
    return float((weight[0] - weight[1]).norm() / weight[0].norm())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", PRESERVING)
@pytest.mark.parametrize("norm", [True, False])
def test_newborns_and_parents_diverge(name, norm, momentum, architectures):
    """Training drives every newborn away from its parent, whatever moves it."""
    network, column = begin(architectures["chain"]() if norm else smooth())
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=momentum)
    with LastBatch(column) as batch:
        apart(network, column, optimizer, 3)
    index_map = surgery.apply(column, Plan(grow={"0": [0]}), PRESERVING[name], batch=batch)
    carry(optimizer, index_map, network.parameters())
    newborn = column.layer("0").own.weight.detach()[1].clone()
    distance = apart(network, column, optimizer)
    moved = column.layer("0").own.weight.detach()[1] - newborn
    assert moved.norm() > 1e-3 * newborn.norm()  # it learns
    assert distance > 0.05


def test_net2wider_needs_momentum_to_diverge():
    """Exact copies with equal fan-out have equal gradients: only what moves them can differ.

    A newborn begins without its parent's momentum, which is enough; plain SGD keeps them alike
    for ever, so that the pair is one unit at the price of two. (Dropout would part them too.)
    """
    distances = []
    for momentum in (0.0, 0.9):
        network, column = begin(smooth())
        optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=momentum)
        apart(network, column, optimizer, 3)
        index_map = surgery.apply(column, Plan(grow={"0": [0]}), net2wider())
        carry(optimizer, index_map, network.parameters())
        distances.append(apart(network, column, optimizer))
    assert distances[0] < 1e-12
    assert distances[1] > 1e-3


@pytest.mark.parametrize("newborn", [ScaledCopy(), Split(0.2, FanOut.RANDOM)])
def test_random_fan_out_is_small_and_changes_the_function(newborn, error):
    network, column = begin(smooth())
    before = network(X, 0)
    surgery.apply(column, Plan(grow={"0": [0]}), newborn)
    assert 1e-6 < error(network(X, 0), before) < 0.5


def test_bad_nudge_is_named():
    with pytest.raises(ValueError, match="nudge cannot be negative, not -1"):
        GradMax(-1)
