"""`cgap-cl tune`: held-out images only, and a file that `cgap-cl run --tuned` takes."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.record.store import read_records

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
    (search,) = json.loads(path.with_suffix(".json").read_text())["searches"]
    best = max(search["results"], key=lambda one: one["accuracy"][0])
    found = tomllib.loads(text)
    assert found["training_of"]["ewc"]["lr"] == best["values"]["training.lr"]
    assert found["method"]["ewc"]["strength"] == best["values"]["ewc.strength"]
    assert f"--tuned {path}" in result.output.replace("\n", "")


def test_runs_take_what_was_found(tuned, run):
    _, folder = tuned
    path = folder / "tuning" / "split-digits-standard.toml"
    found = tomllib.loads(path.read_text())
    words = ["run", "split-digits", "--methods", "ewc,fixed", "--seeds", "0", "--dry-run=json"]
    text = run(*words, "--tuned", path).output
    lr, strength = found["training_of"]["ewc"]["lr"], found["method"]["ewc"]["strength"]
    assert f'"lr": {lr}' in text
    assert f'"strength": {strength}' in text
    assert '"lr": 0.05' in text  # of the other method


def test_files_that_are_something_else_are_refused(run, tmp_path):
    path = tmp_path / "tuned.toml"
    path.write_text("[training]\nlr = 1.0\n")
    result = run("run", "split-digits", "--tuned", path, "--dry-run")
    assert result.exit_code == 2
    assert "holds training" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[training_of.fixed]\nlr = 0.1\nepochs = 90\naugment = "crop-flip"\n',
            "training_of.fixed sets augment, epochs, but `cgap-cl tune` searches training.lr;",
        ),
        (
            "[method.ewc]\nstrength = 3.0\nper_task_norm = true\n",
            "method.ewc sets per_task_norm, but `cgap-cl tune` searches training.lr,"
            " ewc.strength;",
        ),
        (
            "[method.cgap.growth]\nmax_width = 9.0\n",
            "method.cgap sets growth.max_width, but `cgap-cl tune` searches training.lr",
        ),
        ("[training_of.ewk]\nlr = 0.1\n", "unknown method 'ewk'; did you mean 'ewc'?"),
    ],
)
def test_files_that_set_more_than_is_searched_are_refused(run, tmp_path, text, said):
    """One training for all, and the same budget: a file must not go round either."""
    path = tmp_path / "tuned.toml"
    path.write_text(text)
    result = run("run", "split-digits", "--tuned", path, "--dry-run")
    assert result.exit_code == 2
    assert said in result.output


def test_unknown_methods_end_it_at_once(run, tmp_path):
    result = run("tune", "split-digits", "--methods", "ewk", "--output", tmp_path)
    assert result.exit_code == 2
    assert "ewc" in result.output
    assert not list(tmp_path.iterdir())
