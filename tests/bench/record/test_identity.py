"""Identities: they follow what can change the numbers, and nothing else."""

import dataclasses

import pytest

from cgap_bench.learn.method import METHODS
from cgap_bench.learn.methods.cgap import settings_of
from cgap_bench.record import identity
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.identity import NOTHING_CHANGED, SECTIONS, distinguishing, run_id
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_cl import CGaPConfig, GrowthPolicy, Inherit, Where
from cgap_cl.change.newborn import FanOut, Random, Split
from cgap_cl.decide import price, saliency


def resolved(method="cgap", seed=0, *overrides):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, None, overrides).config(method, seed)


def test_it_follows_seed_section_method_and_what_the_run_depends_on(tiny):
    plain = tiny("fixed")
    assert run_id(plain) == run_id(tiny("fixed"))
    assert len(run_id(plain)) == 12
    others = [tiny("fixed", seed=1), tiny("fixed", epochs=3), tiny("joint")]
    others.append(plain.model_copy(update={"device": "cuda"}))
    identities = {run_id(config) for config in [plain, *others]}
    assert len(identities | {run_id(plain, "0" * 12)}) == 6


def test_the_name_of_a_variant_is_not_part_of_it(tiny):
    plain = tiny("fixed")
    assert run_id(plain.model_copy(update={"variant": "a=1"})) == run_id(plain)


@pytest.mark.parametrize(
    "changed",
    [
        CGaPConfig(target_price=0.3),
        CGaPConfig(recall=0.5),
        CGaPConfig(inherit=Inherit.NONE),
        CGaPConfig(growth=GrowthPolicy(beta=0.5)),
        CGaPConfig(growth=GrowthPolicy(where=Where.SALIENCY)),
        CGaPConfig(growth=GrowthPolicy(capacities={"conv1": 0.5})),
        CGaPConfig(newborn=Split()),
        CGaPConfig(newborn=Random(FanOut.HALVES)),
        CGaPConfig(score=saliency.magnitude),
        CGaPConfig(price=price.parameters),
    ],
)
def test_another_default_of_the_library_is_another_run(monkeypatch, changed):
    before = run_id(resolved())
    method = dataclasses.replace(METHODS["cgap"], settings=settings_of(changed))
    monkeypatch.setitem(METHODS._entries, "cgap", method)
    assert run_id(resolved()) != before


@dataclasses.dataclass(frozen=True)
class Later(CGaPConfig):
    """The library with a setting more."""

    patience: float = 1.5


def test_a_setting_that_is_added_later_leaves_earlier_runs_their_identity(monkeypatch):
    before = run_id(resolved())
    method = dataclasses.replace(METHODS["cgap"], settings=settings_of(Later()))
    monkeypatch.setitem(METHODS._entries, "cgap", method)
    assert run_id(resolved()) != before
    monkeypatch.setitem(identity.NOTHING_CHANGED, "cgap.patience", 1.5)
    assert run_id(resolved()) == before
    assert resolved().method_settings["patience"] == 1.5
    assert run_id(resolved("cgap", 0, "cgap.patience=2")) != before


OF_METHODS = [key for key in NOTHING_CHANGED if key.partition(".")[0] not in SECTIONS]


@pytest.mark.parametrize("key", OF_METHODS)
def test_a_record_without_a_setting_has_the_identity_of_one_in_which_nothing_changed(key):
    owner, *path = key.split(".")
    config = resolved(owner)
    own = config.model_dump(mode="json")["method_settings"]
    table = own
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = NOTHING_CHANGED[key]
    there = run_id(config.model_copy(update={"method_settings": own}))
    del table[path[-1]]
    assert run_id(config.model_copy(update={"method_settings": own})) == there


@pytest.mark.parametrize("key", [key for key in NOTHING_CHANGED if key not in OF_METHODS])
def test_a_section_without_a_setting_is_one_in_which_nothing_changed(key, tiny):
    section, _, name = key.partition(".")
    config = tiny("fixed")
    content = config.model_dump(mode="json")
    content[section][name] = NOTHING_CHANGED[key]
    there = RunConfig.model_validate(content)
    assert name not in distinguishing(there)[section]
    assert run_id(there) == run_id(config)


def test_a_section_may_have_such_a_setting_too(monkeypatch, tiny):
    config = tiny("fixed")
    monkeypatch.setitem(identity.NOTHING_CHANGED, "stream.first", None)
    assert "first" not in distinguishing(config)["stream"]
    assert config.stream.model_dump()["first"] is None
