"""Policies keep to their limits, take the best, and fill lanes that are paid for."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    GrowthPolicy,
    PlasticNetwork,
    PruningPolicy,
    Where,
)
from cgap_cl.decide import price
from cgap_cl.decide.policy import paid_lanes

X = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def column():
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    network = PlasticNetwork(reference.double(), X).train()
    return network, network.sprout(0, 3, Birth({"0": 5, "2": 4}))


@pytest.mark.parametrize("where", list(Where))
def test_policies_keep_to_their_limits(column, where):
    network, block = column
    cost = price.macs(network)
    found = {g: torch.rand(n) for g, n in block.widths.items()}
    limit = cost({"0": 6, "2": 5})
    plan = GrowthPolicy(beta=1.0, where=where).plan(found, {"0": 9, "2": 6}, cost, limit)
    grown = {g: n + len(plan.grow.get(g, ())) for g, n in block.widths.items()}
    assert block.widths != grown
    assert cost(grown) <= limit
    assert grown["2"] <= 6
    target = cost({"0": 3, "2": 3})
    plan = PruningPolicy(where, floor=0.5).plan(found, block.widths, cost, target)
    kept = {g: n - len(plan.prune.get(g, ())) for g, n in block.widths.items()}
    assert cost(kept) <= target or all(kept[g] == -(-n // 2) for g, n in block.widths.items())
    assert all(kept[g] >= n / 2 for g, n in block.widths.items())


def test_growth_takes_the_best_and_pruning_the_worst(column):
    network, block = column
    found = {"0": torch.tensor([5.0, 1, 4, 2, 3]), "2": torch.tensor([9.0, 8, 7, 6])}
    cost = price.parameters(network)
    policy = GrowthPolicy(beta=0.4, where=Where.SALIENCY)
    plan = policy.plan(found, {"0": 7, "2": 4}, cost, 1e9)
    assert plan.grow == {"0": (0, 2)}
    target = cost({"0": 3, "2": 4})
    plan = PruningPolicy(Where.SALIENCY).plan(found, block.widths, cost, target)
    assert plan.prune == {"0": (1, 3)}


def staircase(lanes, slope=0.01):
    """A price of one group: rows of lanes, and a little for every unit."""
    return lambda widths: -(-widths["0"] // lanes) + slope * widths["0"] + widths["2"]


@pytest.mark.parametrize(("width", "left"), [(1, 7), (7, 1), (8, 0), (9, 7), (16, 0)])
def test_lanes_that_are_paid_for_are_counted(width, left):
    for slope in (0.0, 0.01):
        assert paid_lanes(staircase(8, slope), {"0": width, "2": 3}, "0") == left
        assert paid_lanes(staircase(8, slope), {"0": width, "2": 3}, "2") == 0


def test_lanes_that_cost_as_much_as_their_step_are_not_paid_for():
    """Eight lanes at 0.1 each behind a step of 1 are; at 0.2 each they are not."""
    for slope, left in ((0.1, 5), (0.2, 0)):
        assert paid_lanes(staircase(8, slope), {"0": 3, "2": 3}, "0") == left


def test_no_smooth_price_has_lanes(architectures):
    for name in ("chain", "residual", "depthwise", "concat"):
        network = PlasticNetwork(architectures[name](), torch.zeros(2, 2, 6, 6))
        column = network.sprout(0, 3)
        for cost in (price.macs(network), price.parameters(network), price.balanced(network)):
            for group in column.widths:
                assert paid_lanes(cost, column.widths, group) == 0


def test_growth_fills_lanes_first_and_pruning_stops_at_a_step():
    found = {"0": torch.arange(10.0), "2": 100 + torch.arange(6.0)}
    cost = staircase(8)
    policy = GrowthPolicy(beta=1.0, where=Where.SALIENCY)
    plan = policy.plan(found, {"0": 40, "2": 40}, cost, 8.2)
    assert {g: len(units) for g, units in plan.grow.items()} == {"0": 6}  # 10 -> 16, at 8.16
    plan = policy.plan(found, {"0": 40, "2": 40}, cost, 9.2)
    assert {g: len(units) for g, units in plan.grow.items()} == {"0": 6, "2": 1}
    # 10 units take two rows: no unit of "2" would go by saliency, two of "0" free a row
    pruning = PruningPolicy(Where.SALIENCY, floor=0)
    plan = pruning.plan(found, {"0": 10, "2": 6}, cost, 7.09)
    assert plan.prune == {"0": (0, 1)}
    # ranks alike: both groups lose units until the row is free, then "0" takes back its lanes
    pruning = PruningPolicy(Where.UNIFORM, floor=0)
    plan = pruning.plan(found, {"0": 10, "2": 6}, cost, 5.1)
    kept = {"0": 10 - len(plan.prune["0"]), "2": 6 - len(plan.prune.get("2", ()))}
    assert cost(kept) <= 5.1
    assert kept["0"] == 8 or cost({**kept, "0": kept["0"] + 1}) > 5.1


def test_pruning_gives_up_nothing_for_nothing():
    """The floor keeps the row of lanes, so all of it stays."""
    plan = PruningPolicy(floor=0.25).plan(
        {"a": torch.rand(9)},
        {"a": 9},
        lambda widths: float(-(-widths["a"] // 16)),
        0.5,
    )
    assert not plan
