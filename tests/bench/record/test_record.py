"""Records: equality, atomic writing, and clear errors on reading."""

import json
from pathlib import Path
from typing import Any

import pytest

from cgap_bench.errors import InvalidRecordError, UsageError
from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
    StreamSettings,
    TrainingSettings,
)
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import SCHEMA_VERSION, Outcome, Record, network_hash
from cgap_bench.record.store import ensure_writable, read_record, read_records, write_record


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
        "run_id": run_id(changes.get("config", config())),
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


def test_records_older_than_a_count_equal_those_that_have_it() -> None:
    older, counted = (
        record(training_macs=[5, 5], macs_beside=beside) for beside in ([], [1, 2])
    )
    assert older == counted
    assert older.all_training_macs == [5, 5]
    assert counted.all_training_macs == [6, 7]
    assert counted != record(training_macs=[5, 5], macs_beside=[1, 3])


def test_what_older_ones_did_not_measure_is_not_compared() -> None:
    ahead = {"accuracy_untrained": [0.5, 0.25], "accuracy_before": [0.5, None]}
    assert record(**ahead) == record()
    assert record(**ahead) == record(**ahead)
    assert record(**ahead) != record(**ahead | {"accuracy_before": [0.5, 0.75]})


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


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema_version": 3}', "\xff", "[" * 9999]
)
def test_damaged_record_is_told_and_left_alone_and_the_rest_is_used(
    tmp_path: Path, text: str
) -> None:
    path = write_record(record(), tmp_path).with_name("0123456789ab.json")
    path.write_text(text, encoding="latin1")
    told: list[str] = []
    assert list(read_records(tmp_path, tell=told.append)) == [record()]
    assert len(told) == 1
    assert "0123456789ab.json is not a" in told[0]
    assert "\n" not in told[0]
    assert path.read_text(encoding="latin1") == text


def changed(path: Path, key: str, value: Any) -> None:
    """Another value at a dotted key of a record's file; None takes the key out."""
    content = json.loads(path.read_text())
    *parts, last = key.split(".")
    inner = content
    for part in parts:
        inner = inner[int(part) if isinstance(inner, list) else part]
    inner[int(last) if isinstance(inner, list) else last] = value
    path.write_text(json.dumps(content))


NETWORK = network_hash([{"name": "head", "kind": "linear", "n_in": 4, "n_out": 2}])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("config.training.epochs", 2, "run_id: is .*, but the run that it holds is"),
        ("config.seed", 1, "run_id: is"),
        ("config.method", "ewc", "run_id: is"),
        ("depends_on", "0" * 12, "run_id: is"),
        ("run_id", "0" * 12, "run_id: is 000000000000, but the file is called"),
        ("run_id", "../../x", "run_id: String should match pattern"),
        ("accuracy", [[0.5, None]], "accuracy: has 1 entries, not 2"),
        ("accuracy", [[0.5], [0.5, 1.0]], "accuracy.0: has 1 entries, not 2"),
        ("accuracy", [[0.5, None], [1.5, 1.0]], "accuracy.1: 1.5 is not between 0 and 1"),
        ("accuracy", [[0.5, 0.5], [0.5, 1.0]], "accuracy.0: of tasks that had not been"),
        ("accuracy.1.0", float("nan"), "cannot read .* nan, not a finite number"),
        ("accuracy_8bit", [0.5], "accuracy_8bit: has 1 entries, not 2"),
        ("accuracy_by_batch", [0.5], "accuracy_by_batch: has 1 entries, not 2"),
        ("accuracy_8bit", [0.5, -1], "accuracy_8bit: -1.0 is not between"),
        ("accuracy_untrained", [0.5], "accuracy_untrained: has 1 entries, not 2"),
        ("accuracy_before", [0.5, 2.0], "accuracy_before: 2.0 is not between"),
        ("n_test", [10], "n_test: has 1 entries, not 2"),
        ("n_test", [10, 0], "n_test: 0 is less than 1"),
        (f"networks.{NETWORK}.0.n_in", 5, f"networks.{NETWORK}: holds"),
        (f"networks.{NETWORK}.0.n_in", 0, f"networks.{NETWORK}: holds"),
        ("networks", {network_hash([]): []}, "networks.*: no list of layers"),
        ("subnetworks", [[NETWORK]], "subnetworks: has 1 entries, not 2"),
        ("subnetworks", [[NETWORK], [NETWORK]], "subnetworks.1: has 1 entries, not 2"),
        ("subnetworks", [[NETWORK], [NETWORK, "x"]], "subnetworks.1: x is not among"),
        ("stored_parameters", [10], "stored_parameters: has 1 entries"),
        ("stored_parameters", [10, -1], "stored_parameters: -1 is less than 0"),
        ("training_macs", [10], "training_macs: has 1 entries"),
        ("macs_beside", [10, 10], "macs_beside: without training_macs"),
        ("classes", [[0]], "classes: has 1 entries"),
        ("extra", {"mask_bits": []}, "extra.mask_bits: no list of numbers"),
        ("extra", {"capacity": ["0.5"]}, "extra.capacity: no list of numbers"),
        ("extra", {"stored_images": ["a"]}, "extra.stored_images: no list of numbers"),
        ("extra", {"structured": [[{"name": "x"}]]}, "extra.structured.0.0: missing"),
        ("timings", {"train_s": ["a"]}, "timings.train_s: no list of numbers"),
        ("timings", {"checkpoints": {"n": 1}}, "timings.checkpoints: not the numbers"),
        ("outcome", {"kind": "diverged", "experience": 3}, "outcome.experience: is 3, of 2"),
        ("outcome", {"kind": "diverged", "experience": 1}, "accuracy: has 2 entries, not 0"),
        ("outcome", {"kind": "well"}, "outcome.kind"),
    ],
)
def test_a_record_is_what_it_says_it_is(
    tmp_path: Path, key: str, value: Any, words: str
) -> None:
    path = write_record(record(), tmp_path)
    changed(path, key, value)
    with pytest.raises(InvalidRecordError, match=f"{path.name} is not a .*record: .*{words}"):
        read_record(path)


def test_a_run_that_is_found_twice_is_one(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path)
    for folder in ("again", "other"):
        (tmp_path / "runs" / folder).mkdir()
        (tmp_path / "runs" / folder / path.name).write_text(path.read_text())
    changed(tmp_path / "runs" / "other" / path.name, "stored_parameters", [10, 21])
    told: list[str] = []
    assert list(read_records(tmp_path, tell=told.append)) == [record()]
    # in the order of their paths: again, other, tiny
    assert told == [
        f"left out: {tmp_path}/runs/other/{path.name} holds other numbers of a run that"
        " another file holds"
    ]


def test_a_run_that_diverged_holds_what_was_measured(tmp_path: Path) -> None:
    part = record(
        accuracy=[[0.5, None]],
        subnetworks=[[NETWORK]],
        stored_parameters=[10],
        outcome=Outcome(experience=2, epoch=1, batch=3),
    )
    assert read_record(write_record(part, tmp_path)) == part
    assert str(part.outcome) == "diverged in experience 2, epoch 1, batch 3"


def test_unwritable_output_is_named_before_any_work(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UsageError, match="cannot write to the output folder"):
        ensure_writable(blocker / "results")
    with pytest.raises(UsageError, match="cannot write"):
        write_record(record(), blocker)


BAD_NAMES = [
    "/../../../../home/README",
    "../../evil",
    "/tmp/evil",
    "..",
    ".hidden",
    "",
    "a/b",
    "a\\b",
    "<script>|\x1b[31m",
    "two\nlines",
    "n" * 101,
]


@pytest.mark.parametrize("key", ["benchmark", "preset"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_would_lead_elsewhere_are_refused(
    tmp_path: Path, key: str, name: str
) -> None:
    path = write_record(record(), tmp_path)
    content = json.loads(path.read_text())
    content["config"][key] = name
    path.write_text(json.dumps(content))
    with pytest.raises(
        UsageError, match=rf"config.*{key}: .*(letters, digits|one line of text)"
    ):
        read_record(path)


def test_a_record_is_written_under_the_folder_only(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    elsewhere.mkdir()
    output.mkdir()
    (output / "runs").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="it leads out of"):
        write_record(record(), output)
    assert not list(elsewhere.iterdir())
