"""Search for settings: what is searched, what trials are, what becomes of the best."""

from math import log10
from types import SimpleNamespace

import pytest

from cgap_bench.record.configuration import Searched
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.run.tuning import LEARNING_RATE, run_search, search_of, tables

_, RECIPE = load_recipe("split-digits")


def configured(changes):
    """Method and seed -> configuration of split-digits with tables laid over it."""
    return resolve("split-digits", RECIPE, None, tuned=changes).config


def answers(score):
    """Does jobs without training: accuracy is a function of the configuration."""

    def run(jobs):
        for job in jobs:
            run.configs.append(job.config)
            yield job, SimpleNamespace(accuracy=[[score(job.config)]], run_id=job.run_id)

    run.configs = []
    return run


def test_learning_rate_and_what_the_method_names_are_searched():
    config = configured({})("ewc", 0)
    search = search_of(config, [0], 5)
    assert set(search.space) == {LEARNING_RATE, "ewc.strength"}
    lr = config.training.lr
    assert search.space[LEARNING_RATE] == Searched(lr / 10, lr * 10)
    assert search.start == {LEARNING_RATE: lr, "ewc.strength": 1e9}
    assert set(search_of(configured({})("fixed", 0), [0], 5).space) == {LEARNING_RATE}


def test_every_trial_is_run_with_its_values_and_every_seed():
    search = search_of(configured({})("ewc", 3), [3, 4], 4)
    run = answers(lambda config: config.seed / 10)
    results = list(run_search(search, configured, run))
    assert [config.seed for config in run.configs] == 4 * [3, 4]
    for config, result in zip(run.configs[::2], results, strict=True):
        assert config.training.lr == result.values[LEARNING_RATE]
        assert config.method_settings["strength"] == result.values["ewc.strength"]
        assert result.mean == pytest.approx(0.35)
    assert results[0].values == search.start


def test_search_finds_what_is_best_and_asks_for_the_same_again():
    """A peak at strength 10: further trials come nearer than the recipe's own."""

    def score(config):
        return 1 / (1 + (log10(config.method_settings["strength"]) - 1) ** 2)

    searches = [search_of(configured({})("ewc", 0), [0], 20) for _ in range(2)]
    first, second = (list(run_search(one, configured, answers(score))) for one in searches)
    assert first == second
    assert searches[0].best.mean > 0.5 > first[0].mean
    assert searches[0].best.mean == max(result.mean for result in first)


def test_methods_sized_by_cgap_bring_its_run():
    search = search_of(configured({})("fixed-equal", 0), [0], 1)
    run = answers(lambda config: 0.5)
    (result,) = run_search(search, configured, run)
    assert [config.method for config in run.configs] == ["cgap", "fixed-equal"]
    assert len(result.run_ids) == 1


def test_values_become_tables_of_a_recipe():
    assert tables("cgap", {LEARNING_RATE: 0.1, "cgap.growth.beta": 0.5}) == {
        "training_of": {"cgap": {"lr": 0.1}},
        "method": {"cgap": {"growth": {"beta": 0.5}}},
    }
    assert tables("fixed", {LEARNING_RATE: 0.1}) == {"training_of": {"fixed": {"lr": 0.1}}}
