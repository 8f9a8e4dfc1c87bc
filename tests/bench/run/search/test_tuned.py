"""Files of what searches found: written, read again, and the same wherever they are kept."""

from pathlib import Path

import pytest

from cgap_bench.record.configuration import Tuning
from cgap_bench.record.files import parse_toml
from cgap_bench.record.searches import (
    Search,
    SearchBudget,
    SearchFile,
    TrialResult,
    read_searches,
)
from cgap_bench.run.search.tuned import tuned_of, tuned_text

ROOT = Path(__file__).parents[4]
KEPT = sorted(ROOT.glob("results/tuning/*.json"))
PACKAGED = sorted(ROOT.glob("benchmarks/cgap_bench/recipes/tuned/*.toml"))


@pytest.fixture
def written():
    """The text of a file with two methods, one of them with a sign in its name."""

    def trials(method, key):
        values = ({"training.lr": 0.1}, {"training.lr": 0.2, f"{method}.{key}": 3.0})
        results = [TrialResult(one, (0.5 + one["training.lr"],), ("a",)) for one in values]
        return Search(method, {}, {}, tuple(results))

    budget = SearchBudget("toy", "quick", ('network.name="a:b"',), 2, (7,))
    searches = {"cgap": trials("cgap", "growth.beta"), "der++": trials("der++", "alpha")}
    return tuned_text(SearchFile("cgap-cl tune toy", budget, "TPE", {}, searches))


def test_a_file_is_read_as_it_was_meant(written):
    tuned = tuned_of(parse_toml(written), "toy.toml", "toy.toml")
    assert tuned.search.overrides == ('network.name="a:b"',)
    assert tuned.training_of == {"cgap": {"lr": 0.2}, "der++": {"lr": 0.2}}
    assert tuned.method == {"cgap": {"growth": {"beta": 3.0}}, "der++": {"alpha": 3.0}}
    assert tuned.held_out["der++"].recipe == 0.6


def test_a_run_is_told_from_a_search_as_long_as_it_has_what_was_found(written):
    tuned = tuned_of(parse_toml(written), "toy.toml", "toy.toml")
    own = {"growth": {"beta": 3.0, "capacity": 1.0}, "peak_ratio": 2.0}
    told = tuned.told("cgap", {"lr": 0.2, "epochs": 3}, own)
    assert told == Tuning(
        file="toy.toml",
        trials=2,
        runs=1,
        recipe=0.6,
        best=0.7,
        values={"training.lr": 0.2, "cgap.growth.beta": 3.0},
    )
    assert tuned.told("cgap", {"lr": 0.3}, own) == Tuning()
    assert tuned.told("cgap", {"lr": 0.2}, {"growth": {"beta": 0.6}}) == Tuning()
    assert tuned.told("ewc", {"lr": 0.2}, {}) == Tuning()


@pytest.mark.skipif(not KEPT, reason="no search is kept in results/tuning")
def test_kept_files_are_what_their_trials_say_and_so_are_the_packaged_ones():
    texts = {path.with_suffix(".toml").name: tuned_text(read_searches(path)) for path in KEPT}
    for path in [*(one.with_suffix(".toml") for one in KEPT), *PACKAGED]:
        assert path.read_text(encoding="utf-8") == texts[path.name], path
