"""Shared units are read from the ancestor, never copied; the column begins as its function."""

import pytest
import torch

from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.weight_counts import executed_widths
from cgap_cl.decide.price import macs

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
