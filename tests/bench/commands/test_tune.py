"""`cgap-cl tune`: held-out images only, and a file that `cgap-cl run --tuned` takes."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.commands.tune import TuneRequest, tune_text
from cgap_bench.errors import UsageError
from cgap_bench.record.searches import read_searches
from cgap_bench.record.store import read_records
from cgap_bench.run import execution

QUICK = ["--set", "training.epochs=1", "--set", "stream.first=2"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Three trials of EWC: click's result and the folder."""
    folder = tmp_path_factory.mktemp("tuned")
    words = ["tune", "split-digits", "--methods", "ewc", "--trials", "3", "--seeds", "7"]
    words += [*QUICK, "--output", str(folder), "--jobs", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result, folder


def test_trials_are_scored_on_held_out_images_in_orders_of_their_own(tuned):
    _, folder = tuned
    records = list(read_records(folder / "tuning", "split-digits"))
    assert len(records) == 3
    assert {record.config.stream.score_on for record in records} == {"held-out"}
    assert all(record.config.stream.order_by_seed for record in records)


def test_what_was_best_is_written_with_all_trials(tuned):
    result, folder = tuned
    path = folder / "tuning" / "split-digits-standard.toml"
    text = path.read_text()
    assert text.startswith("# made by: cgap-cl tune split-digits --methods ewc --trials 3")
    (search,) = json.loads(path.with_suffix(".json").read_text())["searches"].values()
    best = max(search["results"], key=lambda one: one["accuracy"][0])
    found = tomllib.loads(text)
    assert found["search"]["benchmark"] == "split-digits"
    assert found["search"]["seeds"] == [7]
    assert found["held_out"]["ewc"]["best"] == best["accuracy"][0]
    assert found["held_out"]["ewc"]["recipe"] == search["results"][0]["accuracy"][0]
    assert found["training_of"]["ewc"]["lr"] == best["values"]["training.lr"]
    assert found["method"]["ewc"]["strength"] == best["values"]["ewc.strength"]
    assert f"--tuned {path}" in result.output.replace("\n", "")


def test_a_search_goes_on_where_it_was(tuned, monkeypatch):
    """Nothing that has a record is run again; what is written is the same."""
    _, folder = tuned
    path = folder / "tuning" / "split-digits-standard.json"
    before = path.read_text()
    path.unlink()
    removed = next((folder / "tuning" / "runs" / "split-digits").iterdir())
    removed.unlink()
    begun = []
    start = execution.Processes.crew

    class Counted:
        def __init__(self, crew):
            self.crew = crew

        def __enter__(self):
            entered = self.crew.__enter__()
            plain = entered.start

            def counting(job, *arguments):
                begun.append(job.run_id)
                plain(job, *arguments)

            entered.start = counting
            return entered

        def __exit__(self, *arguments):
            return self.crew.__exit__(*arguments)

    monkeypatch.setattr(
        execution.Processes, "crew", lambda self, report: Counted(start(self, report))
    )
    overrides = tuple(QUICK[1::2])
    tune_text(
        TuneRequest("split-digits", None, "ewc", 3, "7", overrides, output=folder, jobs=1)
    )
    assert begun == [removed.stem]
    again, then = (json.loads(text)["searches"] for text in (path.read_text(), before))
    assert again == then


def test_methods_are_added_with_the_same_budget_only(tuned):
    _, folder = tuned
    overrides = tuple(QUICK[1::2])
    more = TuneRequest("split-digits", None, "fixed", 3, "7", overrides, output=folder, jobs=1)
    tune_text(more)
    file = read_searches(more.path)
    assert list(file.searches) == ["ewc", "fixed"]
    assert "--methods ewc,fixed --trials 3 --seeds 7" in file.command
    found = tomllib.loads(more.path.with_suffix(".toml").read_text())
    assert found["training_of"].keys() == found["held_out"].keys() == {"ewc", "fixed"}
    for other in (
        TuneRequest("split-digits", None, "si", 2, "7", overrides, output=folder),
        TuneRequest("split-digits", None, "si", 3, "7-8", overrides, output=folder),
        TuneRequest("split-digits", None, "si", 3, "7", output=folder),
    ):
        with pytest.raises(UsageError, match="would not be the same for every method"):
            tune_text(other)


def test_runs_take_what_was_found(tuned, run):
    _, folder = tuned
    path = folder / "tuning" / "split-digits-standard.toml"
    found = tomllib.loads(path.read_text())
    words = ["run", "split-digits", "--methods", "ewc,joint", "--seeds", "0", "--tuned", path]
    text = run(*words, "--dry-run=json").output
    lr, strength = found["training_of"]["ewc"]["lr"], found["method"]["ewc"]["strength"]
    assert f'"lr": {lr}' in text
    assert f'"strength": {strength}' in text
    assert '"lr": 0.05' in text  # of the other method
    assert '"file": "split-digits-standard.toml"' in text
    plan = run(*words, "--dry-run").output
    assert "settings of joint are those of the recipe" in plan
    by_hand = run(
        *words, "--dry-run=json", "--set", "training.lr=0.5", "--set", "ewc.strength=3"
    )
    assert by_hand.output.count('"lr": 0.5') == 2
    assert '"strength": 3' in by_hand.output
    assert '"file": "split-digits' not in by_hand.output


HEADER = """
[search]
benchmark = "split-digits"
preset = "standard"
trials = 2
seeds = [7]
[held_out]
ewc = {recipe = 0.5, best = 0.75}
fixed = {recipe = 0.5, best = 0.75}
cgap = {recipe = 0.5, best = 0.75}
ewk = {recipe = 0.5, best = 0.75}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[training]\nlr = 1.0\n", "holds training; a file of `cgap-cl tune` has"),
        ("[training_of.fixed]\nlr = 0.1\n", "key search is missing"),
        (
            HEADER.replace("split-digits", "split-mnist") + "[training_of.ewc]\nlr = 0.1\n",
            "was searched on split-mnist, not on split-digits",
        ),
        (
            HEADER + "[training_of.mas]\nlr = 0.1\n",
            "held_out does not say what was found of mas",
        ),
        (
            HEADER + '[training_of.fixed]\nlr = 0.1\nepochs = 90\naugment = "crop-flip"\n',
            "training_of.fixed sets augment, epochs, but `cgap-cl tune` searches training.lr;",
        ),
        (
            HEADER + "[method.ewc]\nstrength = 3.0\nper_task_norm = true\n",
            "method.ewc sets per_task_norm, but `cgap-cl tune` searches training.lr,"
            " ewc.strength;",
        ),
        (
            HEADER + "[method.cgap.growth]\nmax_width = 9.0\n",
            "method.cgap sets growth.max_width, but `cgap-cl tune` searches training.lr",
        ),
        (HEADER + "[training_of.ewk]\nlr = 0.1\n", "unknown method 'ewk'; did you mean 'ewc'?"),
    ],
)
def test_files_that_are_something_else_are_refused(run, tmp_path, text, said):
    """One training for all, and the same budget: a file must not go round either."""
    path = tmp_path / "tuned.toml"
    path.write_text(text)
    result = run("run", "split-digits", "--tuned", path, "--dry-run")
    assert result.exit_code == 2
    assert said in result.output


RECIPE = """
default_preset = "tuned"
seeds = "3"
methods = ["ewc", "fixed", "joint"]
[network]
name = "digits-cnn"
[stream]
dataset = "digits"
n_experiences = 5
[training]
epochs = 1
lr = 0.05
[presets.tuned]
tuned = "found.toml"
"""


def test_a_preset_names_a_file_and_runs_the_recipe_beside_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(RECIPE)
    (tmp_path / "found.toml").write_text(
        HEADER.replace("split-digits", "mine").replace("ewk", "mas")
        + "[training_of.fixed]\nlr = 0.05\n"  # what the recipe has: one run of it
        + "[training_of.ewc]\nlr = 0.2\n[method.ewc]\nstrength = 3.0\n"
    )
    text = run("run", "mine.toml", "--dry-run=json").output
    runs = [one["config"] for one in json.loads(text)["runs"]]
    told = {
        (one["method"], one["variant"]): (one["training"]["lr"], one["tuning"]["file"])
        for one in runs
    }
    assert told == {
        ("ewc", ""): (0.2, "found.toml"),
        ("fixed", ""): (0.05, "found.toml"),
        ("joint", ""): (0.05, ""),
        ("ewc", "recipe"): (0.05, ""),
    }
    (ewc,) = [one for one in runs if (one["method"], one["variant"]) == ("ewc", "")]
    assert ewc["tuning"]["values"] == {"training.lr": 0.2, "ewc.strength": 3.0}
    (tmp_path / "found.toml").unlink()
    assert "cannot read found.toml" in run("run", "mine.toml", "--dry-run").output


def test_unknown_methods_and_scenarios_end_it_at_once(run, tmp_path):
    result = run("tune", "split-digits", "--methods", "ewk", "--output", tmp_path)
    assert result.exit_code == 2
    assert "ewc" in result.output
    words = ["--preset", "class", "--methods", "ewc,wsn", "--output", tmp_path]
    result = run("tune", "split-digits", *words)
    assert "wsn runs in scenario task, not class" in result.output
    assert not list(tmp_path.iterdir())


def test_test_images_are_not_searched_on(tmp_path):
    request = TuneRequest(
        "split-digits", None, "ewc", 2, "7", ("stream.score_on=test",), output=tmp_path
    )
    with pytest.raises(UsageError, match=r"leave stream\.score_on to it"):
        tune_text(request)
    assert not list(tmp_path.iterdir())
