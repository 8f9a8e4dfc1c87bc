"""Where settings are from: rows of a table, kept searches, words of a caption."""

import dataclasses

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import Tuning
from cgap_bench.record.searches import (
    Search,
    SearchBudget,
    Searched,
    SearchFile,
    TrialResult,
    read_searches,
    write_searches,
)
from cgap_bench.show.beside.searched import (
    kept_searches,
    table_of_searches,
    training_words,
)
from cgap_bench.show.comparison import comparisons

FOUND = Tuning(
    file="toy.toml", trials=4, runs=2, recipe=0.8, best=0.9, values={"training.lr": 0.2}
)


def changed(record, **config):
    return record.model_copy(update={"config": record.config.model_copy(update=config)})


@pytest.fixture
def tuned(make_record, platform):
    """EWC with searched settings, and with the recipe's beside it; fixed without a search."""
    records = []
    for seed, gain in enumerate((0.1, 0.2, 0.3)):
        strong = make_record("ewc", seed, (0.6 + gain,), method_settings={"strength": 9.0})
        plain = make_record("ewc", seed, (0.6,), method_settings={"strength": 1.0})
        records += [changed(strong, tuning=FOUND), changed(plain, variant="recipe")]
        records.append(make_record("fixed", seed, (0.5,)))
    return comparisons(records, platform)[0]


def test_each_row_says_where_its_settings_are_from_and_what_a_search_gained(tuned):
    ewc, fixed = tuned.settings.rows
    assert ewc[:6] == ("ewc", "toy.toml", "4", "2", "80.00", "90.00")
    assert ewc[6:8] == ("3", "60.00 ± 0.00")
    assert ewc[8].startswith("+20.00 ± ")
    assert ewc[9] == "training.lr=0.2"
    assert fixed[:3] == ("fixed", "recipe or --set", "-")
    assert "settings searched on held-out images" in tuned.caption
    assert [row[0] for row in tuned.table.rows] == ["ewc", "ewc (recipe)", "fixed"]


def test_where_nothing_was_searched_the_caption_says_it(some_records, platform):
    (one,) = comparisons(some_records, platform)
    assert one.settings is None
    assert "one training for all, settings from recipe or --set, runs" in one.caption


def test_learning_rates_alone_are_no_other_training(make_record):
    ewc, fixed = make_record("ewc"), make_record("fixed")
    faster = changed(ewc, training=ewc.config.training.model_copy(update={"lr": 0.7}))
    longer = changed(ewc, training=ewc.config.training.model_copy(update={"epochs": 7}))
    assert training_words([fixed, ewc]).startswith("one training for all, ")
    assert training_words([fixed, faster]).startswith("one training for all but the learning")
    assert training_words([fixed, longer]).startswith("each trained its own way")


@pytest.fixture
def kept():
    trials = [TrialResult({"training.lr": lr}, (lr, lr + 0.1), ("a", "b")) for lr in (0.1, 0.3)]
    searches = {
        "fixed": Search("fixed", {"training.lr": Searched(0.01, 1.0)}, {}, tuple(trials))
    }
    budget = SearchBudget("toy", "standard", ("training.epochs=1",), 2, (7, 8))
    return SearchFile("cgap-cl tune toy", budget, "TPE", {"python": "3"}, searches)


def test_kept_searches_are_read_as_they_were_written_and_told(kept, tmp_path):
    write_searches(tmp_path / "tuning" / "toy-standard.json", kept, tmp_path)
    assert kept_searches(tmp_path) == [kept]
    (row,) = table_of_searches([kept]).rows
    assert row[:2] == ("toy, standard training.epochs=1", "fixed")
    assert row[2:] == ("2", "2", "15.00", "35.00", "training.lr=0.3")
    assert table_of_searches([]) is None


def test_the_first_of_equals_is_best(kept):
    (trial, _) = kept.searches["fixed"].results
    again = dataclasses.replace(trial, values={"training.lr": 0.5})
    search = Search("fixed", {}, {}, (trial, again))
    assert search.best is search.recipe is trial


def test_a_file_that_holds_no_searches_is_named(tmp_path):
    path = tmp_path / "tuning" / "odd.json"
    path.parent.mkdir()
    path.write_text('{"command": "x"}')
    with pytest.raises(
        UsageError, match=r"odd\.json holds no searches of `cgap-cl tune`: budget"
    ):
        read_searches(path)
