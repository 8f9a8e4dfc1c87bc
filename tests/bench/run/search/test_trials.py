"""Trials: what is searched, what they are, and that a search finds what is best."""

from math import log10
from types import SimpleNamespace

import pytest

from cgap_bench.learn.method import METHODS
from cgap_bench.record.searches import Searched, Spacing
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.run.search.space import LR_FACTOR, searched_settings, space_of
from cgap_bench.run.search.trials import plan_of, run_trials
from cgap_bench.run.search.values import LEARNING_RATE, tables

_, RECIPE = load_recipe("split-digits")
PLAIN = resolve("split-digits", RECIPE, None)


def configured(changes):
    """Method and seed -> configuration of split-digits with tables laid over it."""
    return PLAIN.laid_over(changes).config


def answers(score, outcome=None):
    """Does jobs without training: accuracy is a function of the configuration."""

    def run(jobs):
        for job in jobs:
            run.configs.append(job.config)
            accuracy, run_id = [[score(job.config)]], job.run_id
            yield job, SimpleNamespace(accuracy=accuracy, run_id=run_id, outcome=outcome)

    run.configs = []
    return run


def test_learning_rate_and_what_the_method_names_are_searched():
    config = configured({})("ewc", 0)
    space, start = space_of(config)
    assert set(space) == {LEARNING_RATE, "ewc.strength"}
    lr = config.training.lr
    assert space[LEARNING_RATE] == Searched(lr / LR_FACTOR, lr * LR_FACTOR)
    assert start == {LEARNING_RATE: lr, "ewc.strength": 1e9}
    assert set(space_of(configured({})("fixed", 0))[0]) == {LEARNING_RATE}


@pytest.mark.parametrize("method", METHODS.names())
def test_every_value_of_a_range_is_one_of_the_method(method):
    """At both ends, alone and together; the recipe is within where it has a value."""
    config = configured({})(method, 0)
    space, start = space_of(config)
    assert set(start) <= set(space)
    assert all(value in space[key] for key, value in start.items())
    for end in ("low", "high"):
        values = {key: getattr(one, end) for key, one in space.items()}
        for some in [values, *({key: value} for key, value in values.items())]:
            configured(tables(method, some))(method, 0)


# What its paper chooses for each benchmark; others have nothing of the kind, or it is a price.
NAMED = {
    "cgap": {"growth.beta", "peak_ratio"},
    "cpg": {"tolerance"},
    "der++": {"alpha", "beta"},
    "ewc": {"strength"},
    "ewc-online": {"strength", "decay"},
    "gem": {"margin"},
    "gpm": {"threshold"},
    "hat": {"price", "largest_slope"},
    "lwf": {"strength"},
    "mas": {"strength"},
    "packnet": {"prune_ratio"},
    "piggyback": {"threshold"},
    "pruned": {"dense_share"},
    "si": {"strength"},
    "supsup": {"density"},
    "trgp": {"threshold", "relatedness"},
    "wsn": {"density"},
}


def test_what_methods_name_is_what_their_papers_choose_and_no_price():
    named = {name: set(searched_settings(name)) for name in METHODS.names()}
    assert {name: keys for name, keys in named.items() if name in NAMED} == NAMED
    prices = {
        "target_price",
        "memory",
        "width",
        "largest_size",
        "share_groups",
        "size",
        "budget",
    }
    assert not prices & {key for keys in named.values() for key in keys}


def test_ranges_are_as_wide_as_a_recipe_needs_and_no_wider():
    assert Searched(1.0, 10.0).around(100.0) == Searched(1.0, 100.0)
    assert Searched(1.0, 10.0).around(0.0) == Searched(1.0, 10.0)
    linear = Searched(0.5, 1.0, Spacing.LINEAR)
    assert linear.around(0.0) == Searched(0.0, 1.0, Spacing.LINEAR)
    with pytest.raises(ValueError, match="does not begin at 0"):
        Searched(0.0, 1.0)
    with pytest.raises(ValueError, match="no range"):
        Searched(2.0, 1.0)


def test_every_trial_is_run_with_its_values_and_every_seed():
    plan = plan_of(configured({})("ewc", 3), [3, 4], 4)
    run = answers(lambda config: config.seed / 10)
    results = list(run_trials(plan, configured, run))
    assert [config.seed for config in run.configs] == 4 * [3, 4]
    for config, result in zip(run.configs[::2], results, strict=True):
        assert config.training.lr == result.values[LEARNING_RATE]
        assert config.method_settings["strength"] == result.values["ewc.strength"]
        assert result.mean == pytest.approx(0.35)
    assert results[0].values == plan.start


def test_a_setting_without_a_value_is_left_to_the_recipe_first_and_searched_then():
    plan = plan_of(configured({})("packnet", 0), [0], 3)
    run = answers(lambda config: 0.5)
    list(run_trials(plan, configured, run))
    first, *others = [config.method_settings["prune_ratio"] for config in run.configs]
    assert first is None
    assert all(value in plan.space["packnet.prune_ratio"] for value in others)


def test_a_run_that_diverged_has_nothing_right():
    plan = plan_of(configured({})("fixed", 0), [0], 1)
    (result,) = run_trials(plan, configured, answers(lambda config: 0.9, "diverged"))
    assert result.mean == 0.0


def test_search_finds_what_is_best_and_asks_for_the_same_again():
    """A peak at strength 10: further trials come nearer than the recipe's own."""

    def score(config):
        return 1 / (1 + (log10(config.method_settings["strength"]) - 1) ** 2)

    plan = plan_of(configured({})("ewc", 0), [0], 20)
    first, second = (list(run_trials(plan, configured, answers(score))) for _ in range(2))
    assert first == second
    search = plan.outcome(first)
    assert search.best.mean > 0.5 > search.recipe.mean
    assert search.best.mean == max(result.mean for result in first)


def test_methods_sized_by_cgap_bring_its_run():
    plan = plan_of(configured({})("fixed-equal", 0), [0], 1)
    run = answers(lambda config: 0.5)
    (result,) = run_trials(plan, configured, run)
    assert [config.method for config in run.configs] == ["cgap", "fixed-equal"]
    assert len(result.run_ids) == 1


def test_values_become_tables_of_a_recipe():
    assert tables("cgap", {LEARNING_RATE: 0.1, "cgap.growth.beta": 0.5}) == {
        "training_of": {"cgap": {"lr": 0.1}},
        "method": {"cgap": {"growth": {"beta": 0.5}}},
    }
    assert tables("fixed", {LEARNING_RATE: 0.1}) == {"training_of": {"fixed": {"lr": 0.1}}}
