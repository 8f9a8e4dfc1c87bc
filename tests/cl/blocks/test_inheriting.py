"""Shared units are read from the ancestor, never copied; the column begins as its function."""

import pytest
import torch
from torch import nn

from cgap_cl import Birth, CGaPConfig, PlasticNetwork
from cgap_cl.blocks.kinds import Kind
from cgap_cl.blocks.weight_counts import executed_widths
from cgap_cl.decide.price import macs
from cgap_cl.train.births import choose_birth

X = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


NAMES = ("chain", "mlp", "residual", "depthwise", "concat", "pointwise")


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


def give_old_head(network, share):
    """Let the column's head read what the ancestor's reads, with the ancestor's weights."""
    head, old = network.column.head, network.block(0).head
    kept = []
    for segment in network.layout[network.layout.head].inputs:
        gone = share.get(segment.group, ())
        kept += [u not in gone for u in range(WIDTH) for r in range(segment.repeat)]
    kept = torch.tensor(kept)
    with torch.no_grad():
        head.own.weight.copy_(old.own.weight[:, kept])
        if head.own.bias is not None:
            head.own.bias.copy_(old.own.bias)
        for _, lateral in head.sources():
            lateral.op.weight.copy_(old.own.weight[:, lateral.index])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["first", "all", "last"])
def test_a_column_that_shares_begins_as_its_ancestor(ancestor, error, name, which):
    network = ancestor(name)
    groups = network.layout.groups
    chosen = {"first": groups[:1], "all": groups, "last": groups[-1:]}[which]
    share = dict.fromkeys(chosen, (0, 2, 3))
    before = network(X, 0)
    column = network.sprout(1, 3, Birth(ancestor=0, share=share))
    assert all(column.widths[g] == (1 if g in share else WIDTH) for g in groups)
    give_old_head(network, share)
    with torch.no_grad():
        assert error(network(X, 1), before) <= 1e-12
    network.merge()
    assert error(network.subnetwork(1)(X), before) <= 1e-12
    assert torch.equal(network(X, 0), before)


def test_sharing_the_leading_groups_costs_nothing_to_run_and_less_to_store(ancestor):
    copied, shared = ancestor("chain"), ancestor("chain")
    first = copied.layout.leading(1)
    assert first == copied.layout.groups[:1]
    copied.sprout(1, 3, Birth(ancestor=0))
    shared.sprout(1, 3, Birth(ancestor=0, share={first[0]: (0, 1, 2)}))
    prices = [macs(network)(network.column.widths) for network in (copied, shared)]
    assert prices[0] == prices[1]
    assert shared.stored_parameters() < copied.stored_parameters()
    assert executed(shared, 1) == executed(copied, 1)


def test_what_a_linear_layer_makes_of_raw_inputs_is_not_shared(ancestor):
    assert ancestor("mlp").layout.leading(1) == ()


def test_leading_groups_stop_where_a_unit_would_be_computed_twice(ancestor):
    layout = ancestor("residual").layout
    chosen = layout.leading(99)
    for group in chosen:
        for layer in layout.producers(group):
            assert {s.group for s in layer.inputs} <= {None, *chosen}


@pytest.mark.parametrize("share", [{"nowhere": (0,)}, {0: (0, 1, 2, 3)}, {0: (7,)}])
def test_what_cannot_be_shared_is_named(ancestor, share):
    network = ancestor("chain")
    share = {network.layout.groups[k] if k == 0 else k: v for k, v in share.items()}
    with pytest.raises(ValueError, match="share"):
        network.sprout(1, 3, Birth(ancestor=0, share=share))


def begun(network, **how):
    """What a column begins as, apart from its head: weights of layers, and all else."""
    share = dict.fromkeys(network.layout.leading(1), (0, 2, 3))
    column = network.sprout(1, 3, Birth(ancestor=0, share=share, **how))
    weights, rest = {}, {}
    for layer in column.layout.layers:
        values = {
            f"{layer.name} {name}": value.clone()
            for name, value in column.body.get_submodule(layer.name).state_dict().items()
        }
        if layer.name != column.layout.head:
            of_a_layer = layer.dense or layer.kind is Kind.GROUPED
            for name, value in values.items():
                is_weight = of_a_layer and name.endswith("weight")
                (weights if is_weight else rest)[name] = value
    network.discard()
    return weights, rest


@pytest.mark.parametrize("name", NAMES)
def test_what_is_inherited_may_be_shrunk_and_perturbed(ancestor, name):
    network = ancestor(name)
    before = network(X, 0)
    whole, kept = begun(network)
    shrunk, same = begun(network, shrink=0.5)
    moved, same_again = begun(network, shrink=0.5, perturb=0.1)
    assert whole.keys() == shrunk.keys() == moved.keys() != set()
    for layer, weight in whole.items():
        assert torch.equal(shrunk[layer], 0.5 * weight)
        added = moved[layer] - shrunk[layer]
        assert 0 < added.abs().max() < 0.1, layer  # fresh weights are drawn within 1
        assert len(added.unique()) == added.numel(), layer
    for value in kept:
        assert torch.equal(kept[value], same[value])
        assert torch.equal(kept[value], same_again[value])
    assert torch.equal(network(X, 0), before)


def test_fresh_weights_that_are_added_are_as_large_as_those_of_the_whole_layer():
    """Own and shared inputs together are one layer: it has 32 inputs, not one and 31."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.Flatten(), nn.Linear(128, 3)
    )
    network = PlasticNetwork(module, torch.zeros(2, 2, 6, 6))
    network.sprout(0, 3, Birth(network.layout.widths))
    network.merge()
    first, *_ = network.layout.groups
    birth = Birth(ancestor=0, share={first: tuple(range(31))}, shrink=0.0, perturb=1.0)
    layer = network.sprout(1, 3, birth).layer("2")
    ((_, lateral),) = layer.sources()
    expected = (3 * 32 * 9) ** -0.5  # uniform within 1 / sqrt(fan-in)
    assert lateral.op.weight.detach().std().item() == pytest.approx(expected, rel=0.05)
    assert layer.own.weight.detach().std().item() == pytest.approx(expected, rel=0.15)


def test_a_label_that_returns_begins_as_its_block(ancestor):
    network = ancestor("chain")
    config = CGaPConfig(shrink=0.5, perturb=0.1)
    assert choose_birth(network, 0, config) == Birth(ancestor=0)
    new = choose_birth(network, 1, config)
    assert (new.ancestor, new.shrink, new.perturb) == (0, 0.5, 0.1)
    with pytest.raises(ValueError, match="shrink"):
        CGaPConfig(shrink=1.5)
