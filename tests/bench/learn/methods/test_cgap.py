"""CGaP's settings: every one of the library can be written in a recipe and reaches it."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cgap_bench.learn.loop.precise_bn import PreciseBN
from cgap_bench.learn.methods.cgap import (
    NEWBORNS,
    PRICES,
    SCORES,
    PlasticLearner,
    cgap_config,
    settings_of,
)
from cgap_cl import Birth, CGaPConfig, CGaPPlugin, Inherit, PlasticNetwork, Where
from cgap_cl.change.newborn import FanOut, Random

MODEL = settings_of(CGaPConfig())


def config_of(**own):
    return cgap_config(MODEL.model_validate(own), seed=3)


def test_the_defaults_are_those_of_the_library():
    assert cgap_config(MODEL(), seed=0) == CGaPConfig()
    fields = {field.name for field in dataclasses.fields(CGaPConfig)}
    assert set(MODEL.model_fields) == fields - {"seed"} | {"board", "memory"}


def test_settings_reach_the_library():
    config = config_of(
        growth={"capacities": {"conv2": 0.5}, "where": "saliency"},
        newborn={"fan_out": "halves"},
        recall=0.1,
        inherit="none",
    )
    assert config.growth.capacities == {"conv2": 0.5}
    assert config.newborn == Random(FanOut.HALVES)
    assert (config.growth.where, config.recall) == (Where.SALIENCY, 0.1)
    assert (config.inherit, config.seed) == (Inherit.NONE, 3)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_can_be_named(name):
    assert type(config_of(score=name).score) is type(SCORES[name](3))


@pytest.mark.parametrize("name", NEWBORNS)
def test_every_newborn_can_be_named(name):
    assert config_of(newborn=name).newborn == NEWBORNS[name]()


@pytest.mark.parametrize("name", PRICES)
def test_every_price_can_be_named(name):
    assert config_of(price=name).price is PRICES[name]


def test_precise_bn_before_the_plugin_sets_what_is_merged(toy):
    """With Avalanche's own data and strategy; each task stays as it was merged."""
    reference = toy.chain()
    reference.insert(0, nn.Dropout(0.5))
    network = PlasticNetwork(reference, toy.data(0)[0][:2])
    plugins = [PreciseBN(batch_size=64), CGaPPlugin(CGaPConfig(share_groups=0))]
    strategy, found = toy.strategy(network, plugins), []
    for task, experience in enumerate(toy.stream()):
        strategy.train(experience)
        subnetwork = network.subnetwork(task).eval()
        (norm,) = (m for m in subnetwork.modules() if isinstance(m, nn.BatchNorm2d))
        read = []
        handle = norm.register_forward_pre_hook(lambda _m, args, to=read: to.append(args[0]))
        subnetwork(toy.data(task)[0])
        handle.remove()
        torch.testing.assert_close(norm.running_mean, read[0].mean((0, 2, 3)))
        torch.testing.assert_close(norm.running_var, read[0].var((0, 2, 3)))
        found.append(toy.logits(network.subnetwork(task), task))
    for task, logits in enumerate(found):
        assert torch.equal(toy.logits(network.subnetwork(task), task), logits)


@pytest.mark.parametrize("classes", [(2, 0), (1, 2, 0), (0, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_what_is_scored_has_its_outputs_where_targets_count_them(toy, classes, bias):
    """A first session may lack a class that a later one has: a head goes on in that order."""
    reference = toy.chain()
    reference[-1] = nn.Linear(reference[-1].in_features, 2, bias=bias)
    x = toy.data(0)[0][:5]
    network = PlasticNetwork(reference, x).eval()
    network.sprout(0, classes, Birth(dict.fromkeys(network.layout.widths, 2)))
    network.merge()
    scored = PlasticLearner.network_for(SimpleNamespace(network=network), 0).eval()
    assert torch.equal(scored(x), network(x, 0))
    assert torch.equal(network.subnetwork(0).eval()(x), network(x, 0)[:, list(classes)])
