"""GradMax: the largest gradient, hardly a change of the function."""

import copy

import pytest
import torch

from cgap_cl import Plan
from cgap_cl.blocks.observing import LastBatch
from cgap_cl.change import surgery
from cgap_cl.change.gradmax import GradMax

X = torch.randn(16, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]


@pytest.mark.parametrize("group", ["0", "2", "5"])
@pytest.mark.parametrize("n", [1, 2])  # newborns
def test_gradmax_gives_the_largest_gradient(group, n, error, begin, references, loss):
    """No other outgoing weights of that size give the incoming ones a larger gradient."""
    network, column = begin(references["smooth"]())
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


@pytest.mark.parametrize("name", NAMES)
def test_gradmax_almost_keeps_the_function(name, references, error, begin, loss):
    """The change shrinks with the nudge, in training and in eval mode."""
    network, column = begin(references[name]())
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


def test_gradmax_without_a_batch_copies(error, begin, references):
    network, column = begin(references["smooth"]())
    before = network(X, 0)
    with LastBatch(column) as batch:  # none that went backward
        network(X, 0)
    surgery.apply(column, Plan(grow={"0": [1], "5": [0]}), GradMax(), batch=batch)
    assert error(network(X, 0), before) <= 1e-12
    assert torch.equal(column.layer("0").own.weight[1], column.layer("0").own.weight[2])


def test_bad_nudge_is_named():
    with pytest.raises(ValueError, match="nudge cannot be negative, not -1"):
        GradMax(-1)
