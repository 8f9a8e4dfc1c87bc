"""EWC, SI and MAS beside growth: importances stay with their weights, which are held."""

import pytest
import torch

from cgap_bench.learn.methods.penalties.ewc import EWC, OnlineEWC
from cgap_bench.learn.methods.penalties.mas import MemoryAwareSynapses
from cgap_bench.learn.methods.penalties.si import SynapticIntelligence
from cgap_cl import CGaPConfig, CGaPPlugin, PlasticNetwork
from cgap_cl.change.newborn import Split

KINDS = [EWC, OnlineEWC, MemoryAwareSynapses, SynapticIntelligence]
LR = 0.1


def noted(make, *arguments, **options):
    """A penalty that notes every change, and what was kept before and after it."""

    class Noted(make):
        def __init__(self):
            super().__init__(*arguments, **options)
            self.changes, self.weights = [], []

        def follow_growth(self, change, prefix, source):
            before = dict(self.importance), dict(self.anchor)
            super().follow_growth(change, prefix, source)
            after = dict(self.importance), dict(self.anchor)
            self.changes.append((change, prefix, source, before, after))
            self.weights.append(
                [(t.old.detach().clone(), t.new.detach().clone()) for t in change.tensors]
            )

    return Noted()


def grown(toy, plugins, n=2, config=None, **options):
    """A network that has grown and been pruned in each of several visits of one label."""
    torch.manual_seed(0)
    network = PlasticNetwork(toy.chain(), torch.zeros(1, 2, 4, 4))
    growth = CGaPPlugin(config or CGaPConfig(target_price=0.4, recall=0.0))
    options = {"momentum": 0, "weight_decay": 0, "epochs": 10} | options
    strategy = toy.strategy(network, [*plugins, growth], lr=LR, **options)
    for experience in toy.stream(labelled=False)[:n]:
        strategy.train(experience)
    return network, growth


@pytest.mark.parametrize("make", KINDS)
def test_importances_go_through_births_growth_and_pruning(make, toy):
    penalty = noted(make, 1.0, stiffest=1 / (4 * LR))
    _network, growth = grown(toy, [penalty])
    second = [entry["kind"] for entry in growth.history if entry["block"] == 1]
    assert {"grow", "prune"} <= set(second)

    told = [one for one in penalty.changes if one[1] == "blocks.1."]
    assert len(told) == second.count("sprout") + second.count("grow") + second.count("prune")
    assert [source for _, _, source, _, _ in told][:2] == ["blocks.0.", "blocks.1."]
    compared = 0
    for change, prefix, source, before, after in told:
        for tensor in change.tensors:
            for old, new in zip(before, after, strict=True):
                name, was = prefix + tensor.name, source + tensor.name
                if was not in old:
                    continue  # a running statistic
                assert new[name].shape == tensor.new.shape
                mine, theirs = survivors(tensor, new[name], old[was])
                assert torch.equal(mine, theirs)
                compared += mine.numel()
            if was in before[0]:
                assert not newborns(tensor, after[0][name]).any()
    assert compared > 1000
    assert any(values.any() for values in told[-1][4][0].values())


def survivors(tensor, new, old):
    """What is left of both where nothing is a newborn's, by the axes of the change."""
    for dim, moved in tensor.axes.items():
        kept = ~moved.newborn
        new = new.index_select(dim, kept.nonzero().flatten())
        old = old.index_select(dim, moved.source[kept])
    return new, old


def newborns(tensor, new):
    """The entries that belong to a newborn on any axis."""
    fresh = torch.zeros_like(new, dtype=torch.bool)
    for dim, moved in tensor.axes.items():
        shape = [1] * new.dim()
        shape[dim] = -1
        fresh = fresh | moved.newborn.view(shape)
    return new[fresh]


def test_names_and_shapes_are_those_of_the_network(toy):
    penalty = EWC(1.0)
    network, _ = grown(toy, [penalty], n=3)
    named = dict(network.named_parameters())
    assert all(values.shape == named[name].shape for name, values in penalty.importance.items())
    learnt = [name for name, values in penalty.importance.items() if values.any()]
    assert learnt
    assert all(name.startswith("blocks.2.") for name in learnt)


@pytest.mark.parametrize("make", KINDS)
def test_weights_that_matter_are_not_moved_by_what_comes_later(make, toy):
    """The tenth of the old weights that is held hardest, on its way from its anchor."""

    def way(strength):
        penalty = noted(make, strength, stiffest=1 / (4 * LR))
        network, _ = grown(toy, [penalty])
        *_, (importance, anchor) = penalty.changes[-1]
        named = dict(network.named_parameters())
        names = [name for name in importance if name.startswith("blocks.1.")]
        hard = torch.cat([importance[name].flatten() for name in names])
        far = torch.cat([(named[name] - anchor[name]).abs().flatten() for name in names])
        held = hard >= hard.quantile(0.9)
        return float(far[held].mean())

    assert way(1e9) < 0.3 * way(1e-9)


def test_a_split_parent_keeps_its_way_to_its_anchor(toy):
    """A split halves what reads the parent: the anchor goes along, or it would be undone."""
    penalty = noted(EWC, 1.0)
    config = CGaPConfig(target_price=0.4, recall=0.0, newborn=Split(noise=0.0))
    grown(toy, [penalty], config=config)
    n_halved = 0
    for (change, prefix, source, before, after), weights in zip(
        penalty.changes, penalty.weights, strict=True
    ):
        for tensor, (old, new) in zip(change.tensors, weights, strict=True):
            was, name = source + tensor.name, prefix + tensor.name
            if was not in before[1]:
                continue
            now, then = survivors(tensor, new, old)
            halved = now != then
            assert torch.equal(now[halved], then[halved] / 2)
            anchor_now, anchor_then = survivors(tensor, after[1][name], before[1][was])
            way_now, way_then = now - anchor_now, then - anchor_then
            assert torch.allclose(way_now, way_then, atol=1e-6)
            assert torch.equal(anchor_now[~halved], anchor_then[~halved])
            n_halved += int(halved.sum())
    assert n_halved


@pytest.mark.parametrize("make", KINDS)
def test_several_labels_are_refused_before_anything_is_trained(make, toy):
    """What they would hold is frozen there, as it is told of Avalanche's."""
    network = PlasticNetwork(toy.chain(), torch.zeros(1, 2, 4, 4))
    strategy = toy.strategy(network, [make(1.0), CGaPPlugin()], epochs=1)
    said = f"CGaPPlugin cannot run beside {make.__name__}: it holds learned weights"
    with pytest.raises(TypeError, match=said) as caught:
        strategy.train(toy.stream()[0])
    assert "\n" not in str(caught.value)
    assert not network.labels


def test_behind_growth_it_would_look_too_late(toy):
    network = PlasticNetwork(toy.chain(), torch.zeros(1, 2, 4, 4))
    strategy = toy.strategy(network, [CGaPPlugin(), EWC(1.0)], epochs=1)
    with pytest.raises(TypeError, match="EWC must stand before CGaPPlugin"):
        strategy.train(toy.stream(labelled=False)[0])
    assert not network.labels
