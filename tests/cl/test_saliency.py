"""Scores: invariances, and what the policies and the schedule make of them."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    CGaPConfig,
    GrowthPolicy,
    Inherit,
    Phases,
    PlasticNetwork,
    PruningPolicy,
    Where,
)
from cgap_cl.blocks.observing import Activities
from cgap_cl.blocks.weight_counts import elder_macs, macs, weight_counts
from cgap_cl.decide import price, saliency
from cgap_cl.decide.policy import paid_lanes
from cgap_cl.decide.watch import Quality, Watch
from cgap_cl.network import head

X = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SCORES = {
    "weight_gradient": saliency.weight_gradient, "magnitude": saliency.magnitude,
    "taylor": saliency.taylor, "norm_taylor": saliency.norm_taylor,
    "activation": saliency.Activation(),
}  # fmt: skip
SCALE_FREE = ["weight_gradient", "taylor", "norm_taylor"]


@pytest.fixture
def column():
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    network = PlasticNetwork(reference.double(), X).train()
    return network, network.sprout(0, 3, Birth({"0": 5, "2": 4}))


def scores(network, column, score):
    network.zero_grad()
    with Activities(column) as activities:
        network(X, 0).square().sum().backward()
    return saliency.score_units(column, score, activities)["0"]


@pytest.mark.parametrize("name", SCORES)
def test_permuting_units_permutes_scores(column, name):
    before = scores(*column, SCORES[name])
    first, second = column[1].layer("0").own, column[1].layer("2").own
    order = torch.tensor([3, 1, 4, 0, 2])
    first.weight.data, first.bias.data = first.weight.data[order], first.bias.data[order]
    second.weight.data = second.weight.data[:, order]
    torch.testing.assert_close(scores(*column, SCORES[name]), before[order])
    assert len(before.unique()) == 5


@pytest.mark.parametrize("name", SCALE_FREE)
def test_rescaling_a_relu_unit_keeps_its_score(column, name):
    before = scores(*column, SCORES[name])
    first, second = column[1].layer("0").own, column[1].layer("2").own
    first.weight.data[2] *= 7
    first.bias.data[2] *= 7
    second.weight.data[:, 2] /= 7
    torch.testing.assert_close(scores(*column, SCORES[name]), before)


@pytest.mark.parametrize("where", list(Where))
def test_policies_keep_to_their_limits(column, where):
    network, block = column
    cost = price.macs(network)
    found = {g: torch.rand(n) for g, n in block.widths.items()}
    generator = torch.Generator().manual_seed(0)
    limit = cost({"0": 6, "2": 5})
    plan = GrowthPolicy(beta=1.0, where=where).plan(
        found, {"0": 9, "2": 6}, cost, limit, generator
    )
    grown = {g: n + len(plan.grow.get(g, ())) for g, n in block.widths.items()}
    assert block.widths != grown
    assert cost(grown) <= limit
    assert grown["2"] <= 6
    target = cost({"0": 3, "2": 3})
    plan = PruningPolicy(where, floor=0.5).plan(found, block.widths, cost, target, generator)
    kept = {g: n - len(plan.prune.get(g, ())) for g, n in block.widths.items()}
    assert cost(kept) <= target or all(kept[g] == -(-n // 2) for g, n in block.widths.items())
    assert all(kept[g] >= n / 2 for g, n in block.widths.items())


def test_growth_takes_the_best_and_pruning_the_worst(column):
    network, block = column
    found = {"0": torch.tensor([5.0, 1, 4, 2, 3]), "2": torch.tensor([9.0, 8, 7, 6])}
    cost, generator = price.parameters(network), torch.Generator()
    policy = GrowthPolicy(beta=0.4, where=Where.SALIENCY)
    plan = policy.plan(found, {"0": 7, "2": 4}, cost, 1e9, generator)
    assert plan.grow == {"0": (0, 2)}
    target = cost({"0": 3, "2": 4})
    plan = PruningPolicy(Where.SALIENCY).plan(found, block.widths, cost, target, generator)
    assert plan.prune == {"0": (1, 3)}


@pytest.mark.parametrize("name", ["chain", "depthwise", "concat", "residual"])
def test_fast_prices_equal_the_counts(architectures, name):
    network = PlasticNetwork(architectures[name](), torch.zeros(2, 2, 6, 6))
    network.sprout(0, 3)
    network.merge()
    column = network.sprout(1, 3, Birth(trunk=[0]))
    layout, positions = network.layout, network.reference.positions
    for add in (0, 1, 5):
        widths = {g: n + add for g, n in column.widths.items()}
        shares = price.macs(network)(widths), price.parameters(network)(widths)
        counts, reference = weight_counts(column, layout, widths), network.reference
        elders = elder_macs(network.all_blocks(), layout, positions, 1)
        assert shares[0] == (macs(counts, positions) + elders) / reference.macs
        assert shares[1] == sum(counts.values()) / reference.parameters


def test_phases_spread_its_events():
    phases = Phases(0.2, 0.4, 0.6, growth_events=4, pruning_steps=3)
    assert phases.growth_iterations(100) == [5, 10, 15, 20]
    assert phases.pruning_iterations(100) == [40, 50, 60]
    assert Phases(growth_events=0, pruning_steps=0).growth_iterations(10) == []
    assert Phases(growth_events=4).growth_iterations(1) == [1]


def test_watch_stops_growth_and_pruning():
    watch, plateaus = Watch(), []
    for loss in (1.0, 0.9, 0.95, 0.9, 0.5):
        watch = watch.grown(Quality(loss, 0.5))
        plateaus.append(watch.plateau(patience=2))
    assert plateaus == [False, False, False, True, False]
    low = []
    for accuracy in (0.8, 0.75, 0.69):
        watch = watch.pruned(Quality(1.0, accuracy))
        low.append(watch.too_low(Quality(1.0, accuracy), tolerance=0.1))
    assert low == [False, False, True]
    assert not watch.too_low(Quality(1.0, 0.0), tolerance=None)


def test_alignment_equals_mean_norms(column):
    block = column[1]
    own = block.head.own.weight
    factor = head.align(block, {0}, {1, 2})
    norms = own.detach().norm(dim=1)
    assert factor != 1
    torch.testing.assert_close(norms[1:].mean(), norms[0])
    assert head.align(block, set(), {1}) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CGaPConfig(target_price=0), "target_price must be positive"),
        (lambda: CGaPConfig(peak_ratio=0.5), "peak_ratio must be at least 1"),
        (lambda: CGaPConfig(seed_ratio=2), "seed_ratio must lie in"),
        (lambda: CGaPConfig(inherit=Inherit.BEST), "set held_out_share"),
        (lambda: CGaPConfig(pruning_tolerance=0.1), "set held_out_share"),
        (lambda: CGaPConfig(held_out_share=1), "leaves nothing"),
        (lambda: CGaPConfig(growth_patience=0), "at least 1"),
        (lambda: GrowthPolicy(beta=2), "beta must lie in"),
        (lambda: GrowthPolicy(capacity=0), "capacity must be positive"),
        (lambda: GrowthPolicy(capacities={"0": 0}), r"capacities\['0'\] must be positive"),
        (lambda: PruningPolicy(floor=-1), "floor must lie in"),
        (lambda: Phases(grow_until=0.9), "out of order"),
        (lambda: Phases(growth_events=-1), "cannot be negative"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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
    cost, generator = staircase(8), torch.Generator()
    policy = GrowthPolicy(beta=1.0, where=Where.SALIENCY)
    plan = policy.plan(found, {"0": 40, "2": 40}, cost, 8.2, generator)
    assert {g: len(units) for g, units in plan.grow.items()} == {"0": 6}  # 10 -> 16, at 8.16
    plan = policy.plan(found, {"0": 40, "2": 40}, cost, 9.2, generator)
    assert {g: len(units) for g, units in plan.grow.items()} == {"0": 6, "2": 1}
    # 10 units take two rows: no unit of "2" would go by saliency, two of "0" free a row
    pruning = PruningPolicy(Where.SALIENCY, floor=0)
    plan = pruning.plan(found, {"0": 10, "2": 6}, cost, 7.09, generator)
    assert plan.prune == {"0": (0, 1)}
    # ranks alike: both groups lose units until the row is free, then "0" takes back its lanes
    pruning = PruningPolicy(Where.UNIFORM, floor=0)
    plan = pruning.plan(found, {"0": 10, "2": 6}, cost, 5.1, generator)
    kept = {"0": 10 - len(plan.prune["0"]), "2": 6 - len(plan.prune.get("2", ()))}
    assert cost(kept) <= 5.1
    assert kept["0"] == 8 or cost({**kept, "0": kept["0"] + 1}) > 5.1
