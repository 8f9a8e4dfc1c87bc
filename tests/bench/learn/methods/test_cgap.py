"""CGaP's settings: every one of the library can be written in a recipe and reaches it."""

import dataclasses

import pytest

from cgap_bench.learn.methods.cgap import NEWBORNS, PRICES, SCORES, cgap_config, settings_of
from cgap_cl import CGaPConfig, Inherit, Where
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
