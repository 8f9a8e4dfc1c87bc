"""Records of older schemas: the same numbers in the present words, under the present names.

`schema2` holds records as they were written: CGaP on digits with a method that is sized by it
and one that is not, and four variants of an ablation.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.identity import run_id
from cgap_bench.record.migration import migrate
from cgap_bench.record.record import SCHEMA_VERSION, Record
from cgap_bench.record.store import read_record, read_records, record_path, record_paths
from cgap_bench.show.derive import Platform, runs_frame, tasks_frame
from cgap_hw import load_board

OLD = Path(__file__).with_name("schema2")
LABELS = ["method", "run_id"]
VARIANTS = {
    "": "",
    "grow_where=saliency prune_where=saliency": "growth.where=saliency pruning.where=saliency",
    "grow_until=0.25 prune_from=0.35 prune_until=0.5": (
        "phases.grow_until=0.25 phases.prune_from=0.35 phases.prune_until=0.5"
    ),
    "newborn=net2wider": "newborn=net2wider",
    "held_out_share=0.1": "held_out_share=0.1",
}


@pytest.fixture
def output(tmp_path):
    shutil.copytree(OLD, tmp_path / "runs")
    return tmp_path


def change(output, **content):
    """Rewrite the old record of ewc."""
    (path,) = (p for p in record_paths(output) if '"method":"ewc"' in p.read_text())
    path.write_text(json.dumps(json.loads(path.read_text()) | content))
    return path


def as_written(path):
    """An old record with its flat settings; renamed is only what reading checks."""
    content = json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION}
    training = content["config"]["training"]
    training["lr_schedule"] = training.pop("schedule")
    return Record.model_validate(content)


def test_every_derived_number_is_the_same_before_and_after(output):
    old = [as_written(path) for path in record_paths(output)]
    names = migrate(output)
    by_id = {record.run_id: record for record in read_records(output)}
    new = [by_id[names[record.run_id]] for record in old]
    platform = Platform(load_board("zcu104"))
    before, after = runs_frame(old, platform), runs_frame(new, platform)
    assert before["macs"].nunique() > 3
    assert (before["method"] != after["method"]).sum() == 2  # settings in the labels' brackets
    pd.testing.assert_frame_equal(before.drop(columns=LABELS), after.drop(columns=LABELS))
    pd.testing.assert_frame_equal(
        tasks_frame(old).drop(columns=["method", "run"]),
        tasks_frame(new).drop(columns=["method", "run"]),
    )


def test_all_that_is_not_a_name_stays(output):
    old = {json.loads(p.read_text())["run_id"]: as_written(p) for p in record_paths(output)}
    kept = {"environment", "timings", "accuracy", "accuracy_8bit", "n_test", "networks"}
    kept |= {"subnetworks", "stored_parameters", "extra"}
    for before, after in migrate(output).items():
        (path,) = (path for path in record_paths(output) if path.stem == after)
        record = read_record(path)
        assert record.model_dump(include=kept) == old[before].model_dump(include=kept)
        assert record.config.network == old[before].config.network
        assert record.config.training == old[before].config.training
        assert record.config.variant == VARIANTS[old[before].config.variant]
        assert len(record.history) == len(old[before].history)


def test_identities_files_and_dependence_agree(output):
    names = migrate(output)
    records = list(read_records(output))
    assert {record.run_id for record in records} == set(names.values())
    assert len(names) == len(records) == len(list(OLD.glob("*/*.json")))
    by_id = {record.run_id: record for record in records}
    for record in records:
        assert record.run_id == run_id(record.config, record.depends_on)
        assert record_path(output, record.config.benchmark, record.run_id).exists()
    (warm,) = (record for record in records if record.config.method == "warm")
    assert by_id[warm.depends_on].config.method == "cgap"


def test_settings_are_nested_and_all_of_them_are_there(output):
    migrate(output)
    own = {r.config.variant: r.config.method_settings for r in read_records(output)}
    spread = own[VARIANTS["grow_where=saliency prune_where=saliency"]]
    assert spread["growth"] == {
        "where": "saliency",
        "beta": 0.6,
        "capacity": 1.0,
        "linear_capacity": 0.1,
        "capacities": {},
    }
    assert spread["pruning"] == {"where": "saliency", "floor": 0.25}
    assert spread["newborn"] == {"name": "random", "fan_out": "zero"}
    assert (spread["temperature"], spread["trial_iterations"]) == (2.0, 30)
    assert own["newborn=net2wider"]["newborn"] == {"name": "net2wider"}
    assert own["held_out_share=0.1"]["held_out_share"] == 0.1


def test_the_words_of_the_history_are_the_present_ones(output):
    migrate(output)
    digits = read_records(output, "split-digits")
    (cgap,) = (record for record in digits if record.config.method == "cgap")
    sprouts = [step for step in cgap.history if step["kind"] == "sprout"]
    assert [step["ancestor"] for step in sprouts] == [None, 0, 1, 2, 3]
    assert not any("parent" in step for step in cgap.history)


def test_a_newborn_with_settings_of_its_own_keeps_them(output):
    (path,) = (p for p in record_paths(output) if '"newborn":"net2wider"' in p.read_text())
    text = path.read_text().replace(
        '"newborn":"net2wider"', '"newborn":"net2wider","fan_out":"zero"'
    )
    path.write_text(text)
    (changed,) = (r for r in read_after(output) if "net2wider" in r.config.variant)
    newborn = changed.config.method_settings["newborn"]
    assert newborn == {"name": "split", "noise": 0.0, "fan_out": "zero"}


def read_after(output):
    migrate(output)
    return list(read_records(output))


def test_migrating_again_changes_nothing(output):
    migrate(output)
    stamps = {path: path.stat().st_mtime_ns for path in record_paths(output)}
    assert migrate(output) == {}
    assert {path: path.stat().st_mtime_ns for path in record_paths(output)} == stamps


def test_broken_off_before_the_old_files_went_it_can_be_done_again(output):
    first = migrate(output)
    shutil.copytree(OLD, output / "runs", dirs_exist_ok=True)
    assert migrate(output) == first
    assert len(record_paths(output)) == len(first)


def test_an_old_record_says_what_to_run(output):
    with pytest.raises(UsageError, match=r"schema version 2, .*`cgap-cl migrate FOLDER`"):
        list(read_records(output))


def test_records_of_the_first_schema_had_no_8_bit_accuracies(output):
    path = change(output, schema_version=1)
    content = json.loads(path.read_text())
    del content["accuracy_8bit"]
    path.write_text(json.dumps(content))
    (ewc,) = (r for r in read_after(output) if r.config.method == "ewc")
    assert ewc.accuracy_8bit == []
    assert ewc.accuracy == content["accuracy"]


def test_a_run_whose_reference_is_missing_keeps_what_it_says(output):
    change(output, depends_on="abcdefabcdef")
    (ewc,) = (r for r in read_after(output) if r.config.method == "ewc")
    assert ewc.depends_on == "abcdefabcdef"
    assert ewc.run_id == run_id(ewc.config, "abcdefabcdef")


@pytest.mark.parametrize("content", [{"config": {}}, {"history": [1]}, {"n_test": "many"}])
def test_a_record_that_is_not_right_is_named_and_nothing_is_touched(output, content):
    path = change(output, **content)
    before = {path: path.read_text() for path in record_paths(output)}
    with pytest.raises(UsageError, match=rf"{path.name} is not a valid record"):
        migrate(output)
    assert {path: path.read_text() for path in record_paths(output)} == before
