"""Presets and --set: every recipe resolves, every mistake is named."""

import re
from pathlib import Path

import pytest

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.method import METHODS, check_scenario
from cgap_bench.record.configuration import Augmentation, LearningRateSchedule
from cgap_bench.record.identity import run_id
from cgap_bench.run.recipe import Fairness, Overlay, load_recipe, recipe_names
from cgap_bench.run.resolver import known_keys, resolve, variants
from cgap_bench.run.seeds import parse_seeds

SEVEN = {"cgap", "ewc", "fixed", "fixed-equal", "independent", "warm", "joint"}

BOTH_FULL, FULL = {"split-digits", "split-cifar100"}, {"standard", "quick", "paper"}

PRESETS = [(name, p) for name in recipe_names() for p in load_recipe(name)[1].presets]


def resolver(benchmark="split-digits", preset=None, *overrides):
    name, recipe = load_recipe(benchmark)
    return resolve(name, recipe, preset, overrides)


@pytest.mark.parametrize(("benchmark", "preset"), PRESETS)
def test_every_recipe_resolves_for_every_method(benchmark, preset):
    made = resolver(benchmark, preset)
    assert made.overlay.description
    if benchmark in BOTH_FULL and preset in FULL:
        assert set(made.overlay.methods) >= SEVEN
    for method in made.overlay.methods:
        check_scenario(made.config(method, 0))
    assert parse_seeds(made.overlay.seeds)
    for method in METHODS.names():
        config = made.config(method, 0)
        assert (config.benchmark, config.preset, config.method) == (benchmark, preset, method)


@pytest.mark.parametrize(("benchmark", "preset"), PRESETS)
def test_every_variant_changes_one_run(benchmark, preset):
    name, recipe = load_recipe(benchmark)
    plain = resolver(benchmark, preset)
    identities = {run_id(plain.config("cgap", 0))}
    varied = variants(name, recipe, preset)
    assert len(varied) == len(recipe.preset(preset)[1].variants)
    for method, made in varied:
        config = made.config(method, 0)
        assert config.variant
        identities.add(run_id(config))
        assert run_id(config.model_copy(update={"variant": ""})) == run_id(config)
    assert len(identities) == len(varied) + 1


@pytest.mark.parametrize(
    "variant", ["training.lr=1", "cgap.beta=1 ewc.strength=2", "cgap.no=1"]
)
def test_a_variant_sets_keys_of_one_method(variant):
    name, recipe = load_recipe("split-digits")
    presets = recipe.presets | {"odd": Overlay(variants=(variant,))}
    with pytest.raises(UsageError, match=r"one method|cgap\.no"):
        variants(name, recipe.model_copy(update={"presets": presets}), "odd")


def test_none_is_empty_where_a_field_may_be_and_a_word_elsewhere():
    made = resolver("split-digits", None, "stream.order_seed=none", "cgap.inherit=none")
    config = made.config("cgap", 0)
    assert config.stream.order_seed is None
    assert config.method_settings["inherit"] == "none"


def test_presets_of_cifar100_are_what_they_say():
    quick, standard, paper = (
        resolver("split-cifar100", preset).config("fixed", 0)
        for preset in ("quick", "standard", "paper")
    )
    assert quick.stream.n_train_per_class is not None
    assert standard.stream.n_train_per_class is None
    assert standard.training.augment is Augmentation.CROP_FLIP
    assert paper.training.augment is Augmentation.NONE
    assert paper.training.lr_schedule is LearningRateSchedule.PLATEAU
    assert paper.network.dropout_scale == 1.0
    for config in (quick, standard, paper):
        assert config.stream.order_seed is None  # dataset order
    made = resolver("split-cifar100", "paper")
    cgap = made.config("cgap", 0)
    assert cgap.training.lr_schedule is LearningRateSchedule.CONSTANT_COSINE
    assert cgap.training.epochs <= paper.training.epochs  # no more than the protocol allows
    for method in ("shaped-warm", "warm", "independent"):  # there to be compared with it
        assert made.config(method, 0).training == cgap.training
    for method in ("shaped-warm", "warm"):
        inherited = made.config(method, 0).method_settings
        assert [inherited[key] for key in ("shrink", "perturb")] == [
            cgap.method_settings[key] for key in ("shrink", "perturb")
        ]


def test_a_method_is_trained_otherwise_only_where_the_recipe_says_so():
    for benchmark, preset in PRESETS:
        made = resolver(benchmark, preset)
        trained = {
            made.config(m, 0).training.model_dump_json(exclude={"lr"}) for m in METHODS.names()
        }
        tables = made.overlay.training_of
        own = {m: table for m, table in tables.items() if table.keys() - {"lr"}}
        assert (len(trained) > 1) == bool(own)
        assert not own or made.overlay.fairness is Fairness.PUBLISHED
        at_plateaus = made.config("fixed", 0).training.lr_schedule == "plateau"
        assert own or not at_plateaus  # phases need training of fixed length


def test_overrides_reach_their_section_and_only_their_method():
    made = resolver(
        "split-digits", None, "training.lr=0.5", "ewc.strength=3", "stream.order_seed=7"
    )
    ewc, fixed = made.config("ewc", 0), made.config("fixed", 0)
    assert ewc.training.lr == fixed.training.lr == 0.5
    assert ewc.stream.order_seed == 7
    assert ewc.method_settings["strength"] == 3.0
    assert fixed.method_settings == {"own_channels": False}
    for_all = resolver("split-cifar100", "paper", "training.epochs=3", "training.momentum=0.5")
    for method in ("cgap", "fixed"):  # of which the recipe trains one its own way
        training = for_all.config(method, 0).training
        assert (training.epochs, training.momentum) == (3, 0.5)
    assert for_all.config("cgap", 0).training.weight_decay == 0.003
    cleared = resolver("split-cifar100", "quick", "stream.n_train_per_class=none")
    assert cleared.config("fixed", 0).stream.n_train_per_class is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epoch=3"], "unknown key 'training.epoch'; did you mean 'training.epochs'"),
        (["lr=3"], "unknown key 'lr'"),
        (["training.lr"], "has no value"),
        (["training.lr=-1"], "training.lr=-1 is not right: .*greater than 0"),
        (["training.epochs=many"], "training.epochs='many' is not right"),
        (["training.augment=cut-out"], "'none' or 'crop-flip'"),
        (["cgap.target_price=-1"], "^cgap: target_price must be positive"),
        (["cgap.board=kv260"], "^cgap: board=kv260 has no effect without price=latency"),
        (["cgap.newborn=split", "cgap.newborn.noise=-1"], "noise cannot be negative, not -1"),
        (["cgap.newborn.noise=0.2"], "^cgap.newborn.noise is no setting of 'random'"),
        (["cgap.newborn=spilt"], "unknown cgap.newborn 'spilt'; did you mean 'split'"),
        (
            ["cgap.growth.bta=1"],
            "unknown key 'cgap.growth.bta'; did you mean 'cgap.growth",
        ),
        (["cgap.growth.beta=2"], r"^cgap: beta must lie in \[0, 1\], not 2"),
        (["cgap.score=magnitud"], "cgap.score='magnitud' is not right: .*'magnitude'"),
        (["cgap.growth.capacities=2"], "cgap.growth.capacities=2 is not right: .*dictionary"),
    ],
)
def test_mistakes_in_overrides_are_named(overrides, message):
    with pytest.raises(UsageError, match=message):
        resolver("split-digits", None, *overrides).config("cgap", 0)


def test_a_name_keeps_the_settings_that_are_laid_over_it():
    made = resolver("split-digits", None, "cgap.newborn=split", "cgap.newborn.noise=0.2")
    newborn = made.config("cgap", 0).method_settings["newborn"]
    assert newborn == {"name": "split", "noise": 0.2, "fan_out": "halves"}
    other = resolver("split-digits", None, "cgap.newborn.noise=0.2", "cgap.newborn=random")
    assert other.config("cgap", 0).method_settings["newborn"] == {
        "name": "random",
        "fan_out": "zero",
    }


def test_a_finished_run_of_the_demo_is_found_again():
    """A setting that is added without a line in `identity.NOTHING_CHANGED` would hide it."""
    runs = Path(__file__).parents[3] / "results" / "runs" / "split-digits"
    assert (runs / f"{run_id(resolver().config('cgap', 10))}.json").exists()


def test_unknown_benchmark_preset_and_method_offer_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'split-digits'"):
        load_recipe("split-digit")
    with pytest.raises(UnknownNameError, match="did you mean 'standard'"):
        resolver("split-digits", "standart")
    with pytest.raises(UnknownNameError, match="did you mean 'ewc'"):
        resolver().config("ewcc", 0)


def test_keys_cover_every_section_and_every_method_with_settings():
    keys = known_keys()
    assert {"network.width", "stream.order_seed", "training.lr", "ewc.strength"} <= set(keys)
    assert {"cgap.growth.beta", "cgap.newborn", "cgap.newborn.noise"} <= set(keys)
    assert "cgap.growth" not in keys
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.holdout_share=0.999", "accepted: at least 0, at most 0.9"),
        ("training.batch_size=1" + "0" * 26, "nor one out of all range"),
        ("training.batch_size=2000000", "accepted: above 0, at most 1e+06"),
        ("training.weight_decay=1e308", "expected a number from -1e+12 to 1e+12"),
        ("training.weight_decay=1e7", "accepted: at least 0, at most 1e+06"),
        ("training.lr=inf", "lr: expected a number, not a text, nor one out of all range"),
        ("network.width=1e18", "expected a number from"),
        ("network.width=100", "accepted: above 0, at most 64"),
        ("training.epochs=true", "expected a number, not true or false"),
        ("training.epochs=0", "accepted: above 0, at most 100000"),
        ("stream.order_seed=-1", "accepted: at least 0"),
        ("stream.size=100000", "accepted: above 0, at most 4096"),
        ("ewc.strength=1e300", "expected a number from"),
        ("agem.batch=" + "1" * 400, "batch: expected a number, not a text"),
        ("ewc.fisher_images=true", "not true or false"),
        ("cgap.growth.beta=true", "not true or false"),
        ("cgap.seed_ratio=1e200", "expected a number from"),
        ("training.lr=0.1\nfoo=1", "expected one line of text that can be printed"),
        ("network.name=\x1b[31m", "expected one line of text that can be printed"),
        ("training.lr=" + "1" * 5000, "expected at most 2,000 characters"),
        ("training.lr=" + "[" * 1500, "training.lr='[["),
        ("training." + "a." * 900 + "b=1", "unknown key"),
    ],
)
def test_settings_are_bounded_where_they_are_read(override, words):
    owner = override.partition(".")[0]
    method = owner if owner in METHODS.names() else "fixed"
    with pytest.raises(UsageError, match=re.escape(words)) as error:
        resolver("split-digits", None, override).config(method, 0)
    assert "\n" not in str(error.value)
