"""Jobs: their order, and the identity of those that are sized by others."""

from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve


def config_of(*overrides):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, None, overrides).config


def test_cgap_comes_first_and_is_added_when_others_need_it():
    jobs = jobs_of(config_of(), ["warm", "fixed"], [0, 1])
    order = [(job.config.method, job.config.seed) for job in jobs]
    assert order == [
        ("cgap", 0),
        ("cgap", 1),
        ("fixed", 0),
        ("fixed", 1),
        ("warm", 0),
        ("warm", 1),
    ]
    assert jobs[4].sized_by == jobs[0].config
    assert jobs[5].sized_by == jobs[1].config
    assert [job.config.method for job in jobs_of(config_of(), ["ewc"], [0])] == ["ewc"]


def test_identity_of_a_dependant_follows_the_run_it_is_sized_by():
    one, other = (
        jobs_of(config_of(f"cgap.target_price={price}"), ["warm"], [0])[1]
        for price in (0.2, 0.3)
    )
    assert one.config == other.config
    assert one.run_id != other.run_id
