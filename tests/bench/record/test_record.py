"""Records: equality, atomic writing, and clear errors on reading."""

import json
from pathlib import Path
from typing import Any

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
    StreamSettings,
    TrainingSettings,
)
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import (
    SCHEMA_VERSION,
    Record,
    ensure_writable,
    network_hash,
    read_record,
    read_records,
    write_record,
)


def config(**changes: Any) -> RunConfig:
    base = RunConfig(
        benchmark="tiny",
        preset="standard",
        method="fixed",
        seed=0,
        network=NetworkSettings(name="digits-cnn"),
        stream=StreamSettings(dataset="digits", n_experiences=2),
        training=TrainingSettings(epochs=1, lr=0.1),
    )
    return base.model_copy(update=changes)


def record(**changes: Any) -> Record:
    layers = [{"name": "head", "kind": "linear", "n_in": 4, "n_out": 2}]
    values = {
        "run_id": run_id(config()),
        "config": config(),
        "environment": {"torch": "x"},
        "timings": {"train_s": [1.0, 2.0]},
        "accuracy": [[0.5, None], [1.0 / 3.0, 1.0]],
        "n_test": [10, 10],
        "networks": {network_hash(layers): layers},
        "subnetworks": [[network_hash(layers)], [network_hash(layers)] * 2],
        "stored_parameters": [10, 20],
    }
    return Record(**(values | changes))


def test_round_trip_keeps_every_digit(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path)
    assert path == tmp_path / "runs" / "tiny" / f"{record().run_id}.json"
    assert read_record(path) == record()
    assert read_record(path).accuracy[1][0] == 1.0 / 3.0
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_equality_ignores_environment_and_timings_only() -> None:
    assert record() == record(environment={"torch": "y"}, timings={})
    assert record() != record(accuracy=[[0.5, None], [0.5, 1.0]])
    assert record() != record(extra={"width": 0.5})


def test_newer_schema_is_one_clear_error(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path)
    content = json.loads(path.read_text()) | {
        "schema_version": SCHEMA_VERSION + 1,
        "unknown": 1,
    }
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="schema version 4, this program reads up to 3"):
        read_record(path)


def test_settings_that_the_method_no_longer_has_are_read_as_they_are(tmp_path: Path) -> None:
    own = {"gone": {"kind": "x", "n": 3}}
    old = record(config=config(method="no-longer", method_settings=own))
    assert read_record(write_record(old, tmp_path)).config.method_settings == own


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 1}'])
def test_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs" / "tiny" / "abc.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UsageError, match=r"abc\.json"):
        list(read_records(tmp_path))


def test_unwritable_output_is_named_before_any_work(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UsageError, match="cannot write to the output folder"):
        ensure_writable(blocker / "results")
    with pytest.raises(UsageError, match="cannot write"):
        write_record(record(), blocker)
