"""Settings that are gone: their records read, count and compare; nobody makes new ones."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.identity import NOTHING_CHANGED, distinguishing, run_id
from cgap_bench.record.retired import SETTINGS, VALUES, refuse, retired
from cgap_bench.record.store import read_records
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import known_keys, resolve

RESULTS = Path(__file__).parents[3] / "results"


@pytest.fixture(scope="module")
def records():
    return list(read_records(RESULTS))


def runs(config):
    """Whether this version can make a run of it."""
    own = distinguishing(config)["method_settings"]
    try:
        METHODS[config.method].settings.model_validate(own)
    except ValidationError:
        return False
    return True


def test_what_is_retired_is_what_cannot_be_run(records):
    """Of all records that are kept; each has the identity that it was stored under."""
    gone = {record.config.variant for record in records if retired(record.config)}
    assert {
        "head_epochs=0.5",
        "trunk_blocks=1",
        "newborn=gradmax",
        "score=taylor",
        "inherit=first",
    } <= gone
    for record in records:
        assert run_id(record.config, record.depends_on) == record.run_id
        assert bool(retired(record.config)) is not runs(record.config), record.run_id


def test_the_lists_name_nothing_that_is_there():
    fields = known_keys()
    for key in SETTINGS:
        assert key in NOTHING_CHANGED
        assert key not in fields
    name, recipe = load_recipe("split-digits")
    for key, values in VALUES.items():
        for value in values:
            with pytest.raises(UsageError, match=f"{key}={value} is retired.*revision"):
                resolve(name, recipe, None, [f"{key}={value}"])
    refuse("cgap.newborn", "split")


def test_a_setting_that_is_gone_is_refused_with_the_revision_that_ran_it():
    name, recipe = load_recipe("split-digits")
    for setting, revision in (
        ("cgap.trunk_blocks=1", "412adc2cbe65"),
        ("shaped-warm.head_epochs=0.5", "608d47449b81"),
    ):
        with pytest.raises(UsageError, match=f"{setting} is retired.*{revision}"):
            resolve(name, recipe, None, [setting])
    own = recipe.model_copy(update={"method": {"cgap": {"growth": {"where": "priced"}}}})
    with pytest.raises(UsageError, match=r"cgap.growth.where=priced is retired"):
        resolve(name, own, None).config("cgap", 0)


def test_a_record_from_before_equals_one_without_what_was_at_rest(records):
    """Settings at their last default and notes of nothing make no difference; others do."""
    gone = {"lateral_inputs", "trunk"}
    before = next(
        record
        for record in records
        if record.config.method == "cgap"
        and not record.config.variant
        and gone <= {key for entry in record.history for key in entry}
    )
    own = before.config.method_settings
    kept = {key: v for key, v in own.items() if f"cgap.{key}" not in SETTINGS}
    history = [{k: v for k, v in e.items() if k not in gone} for e in before.history]
    config = before.config.model_copy(update={"method_settings": kept})
    after = before.model_copy(update={"config": config, "history": history})
    assert kept != own
    assert after == before
    assert run_id(config) == before.run_id
    used = config.model_copy(update={"method_settings": kept | {"trunk_blocks": 1}})
    assert before.model_copy(update={"config": used}) != before
    noted = [history[0] | {"trunk": [0]}, *history[1:]]
    assert before.model_copy(update={"history": noted}) != before


def test_tables_say_which_rows_are_read_only():
    text = (RESULTS / "tables" / "split-cifar100-ablation.md").read_text()
    assert "\n- cgap (trunk_blocks=1): " in text
    assert "\n- cgap (score=magnitude): " not in text
