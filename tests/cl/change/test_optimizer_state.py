"""Optimizer state follows a plan: survivors bit for bit, each live parameter exactly once."""

import pytest
import torch
from torch import nn

from cgap_cl import Birth, Plan, PlasticNetwork
from cgap_cl.change import surgery
from cgap_cl.change.newborn import Split
from cgap_cl.change.optimizer_state import (
    SECOND_MOMENTS,
    adopt,
    carry,
    check_supported,
)

OPTIMIZERS = {
    "SGD": {"momentum": 0.9}, "Adam": {"amsgrad": True}, "AdamW": {}, "Adagrad": {},
    "RMSprop": {"momentum": 0.9}, "Adadelta": {}, "Adamax": {}, "NAdam": {}, "RAdam": {},
    "ASGD": {}, "Rprop": {},
}  # fmt: skip
X = torch.randn(6, 2, 6, 6, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture
def network(architectures, read):
    """A base and a column with laterals."""
    torch.manual_seed(0)
    network = PlasticNetwork(architectures["chain"](), X)
    widths = dict.fromkeys(network.layout.widths, 3)
    network.sprout(0, 3, Birth(widths))
    network.merge()
    network.sprout(1, 3, Birth(widths))
    read(network, [0])
    return network


def step(network, optimizer):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(X, 1), Y).backward()
    optimizer.step()


def held(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_follows_the_plan(network, name):
    optimizer = getattr(torch.optim, name)(
        network.live_parameters(), lr=0.01, **OPTIMIZERS[name]
    )
    for _ in range(3):
        step(network, optimizer)
    column = network.column
    own = column.layer("4").own.weight
    state = {k: v.clone() for k, v in optimizer.state[own].items() if k != "step"}
    first, gone = {"0": [0], "4": [1]}, {"0": [2], "4": [0]}
    plan = Plan(grow=first, prune=gone)
    index_map = surgery.apply(column, plan, Split())
    carry(optimizer, index_map)
    # units 0, 1, 2 -> rows 1, newborn of 1, 2; columns 0, newborn of 0, 1
    new = column.layer("4").own.weight
    for key, old in state.items():
        if old.dim() == 0:
            assert torch.equal(optimizer.state[new][key], old)
            continue
        moved = optimizer.state[new][key]
        expected = old[[1, 1, 2]][:, [0, 0, 1]]
        if key not in SECOND_MOMENTS:
            expected[1] = 0
            expected[:, 1] = 0
        assert torch.equal(moved, expected), key
    live = network.live_parameters()
    assert sorted(map(id, held(optimizer))) == sorted(map(id, live))
    assert set(optimizer.state) <= set(live)
    assert optimizer.param_groups[0]["lr"] == 0.01
    step(network, optimizer)
    assert all(torch.isfinite(p).all() for p in live)
    assert optimizer.state[new]["step"] == 4 if "step" in optimizer.state[new] else True


def test_adopting_twice_changes_nothing(network):
    old = nn.Parameter(torch.zeros(3))
    first, *rest = network.live_parameters()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [old], "lr": 0.5}], lr=0.1)
    for _ in range(2):
        adopt(optimizer, network.named_live_parameters())
        assert [len(group["params"]) for group in optimizer.param_groups] == [1, len(rest)]
        assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]


class Averaging(torch.optim.SGD):
    """Keeps a copy of the weights, as schedule-free optimizers and Lookahead do."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].setdefault("z", p.detach().clone()).lerp_(p.detach(), 0.1)


def test_state_of_unknown_meaning_is_refused_before_anything_is_moved(network):
    optimizer = Averaging(network.live_parameters(), lr=0.1)
    check_supported(optimizer)  # nothing is known of it before its first step
    step(network, optimizer)
    with pytest.raises(TypeError, match=r"Averaging keeps 'z' .*supported state: .*exp_avg"):
        check_supported(optimizer)


def test_names_of_parameters_follow(network):
    optimizer = torch.optim.SGD(network.named_live_parameters(), lr=0.1, momentum=0.9)
    step(network, optimizer)
    carry(optimizer, surgery.apply(network.column, Plan(grow={"0": [0]}), Split()))
    (group,) = optimizer.param_groups
    here = dict(network.named_parameters())
    assert [here[name] for name in group["param_names"]] == group["params"]
    network.merge()
    network.sprout(2, 3, Birth(ancestor=1))
    adopt(optimizer, network.named_live_parameters())
    here = dict(network.named_parameters())
    assert [here[name] for name in group["param_names"]] == group["params"]
