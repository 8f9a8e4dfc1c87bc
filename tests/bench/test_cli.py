"""The command line: one clear line and exit code 2 for wrong input, and a whole small run."""

import json

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.learn.dataset import DATA_VARIABLE
from cgap_bench.record.store import read_records

TINY = [
    *("--set", "stream.n_experiences=2", "--set", "stream.n_train_per_class=10"),
    *("--set", "training.epochs=1", "--set", "network.width=0.25", "--jobs", "1"),
]


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split-digit"], "unknown benchmark 'split-digit'; did you mean 'split-digits'?"),
        (["split-digits", "--methods", "ewk"], "unknown method 'ewk'; did you mean 'ewc'?"),
        (["split-digits", "--preset", "fast"], "unknown preset 'fast'"),
        (["split-digits", "--set", "training.lrr=1"], "did you mean 'training.lr'?"),
        (["split-digits", "--set", "cgap.beta=1"], "did you mean 'cgap.growth.beta'?"),
        (["split-digits", "--methods", "cgap", "--set", "ewc.strength=2"], "not run"),
        (["split-digits", "--set", "network.name=digit-cnn"], "did you mean 'digits-cnn'?"),
        (["split-digits", "--set", "stream.dataset=digit"], "did you mean 'digits'?"),
        (["split-digits", "--device", "cudda"], "unknown device 'cudda'; did you mean 'cuda'?"),
        (["split-digits", "--board", "zcu10"], "did you mean 'zcu10"),
        (["split-digits", "--seeds", "0-"], "seeds '0-' are not like 0, 0,3,7 or 0-4"),
        (["split-digits", "--methods", ","], "no methods"),
        (["split-digits", "--memory-budget", "some"], "--memory-budget 'some' is no size"),
        (
            ["split-digits", "--memory-budget", "1KB"],
            "more than the memory budget of a run, 1.0",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, words, message):
    result = call("run", *words, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_unreachable_target_is_one_line(tmp_path):
    words = ("--methods", "cgap", "--set", "cgap.target_price=1e-4")
    result = call("run", "split-digits", *TINY, *words, "--output", tmp_path)
    assert result.exit_code == 2
    assert "target_price=0.0001 cannot be reached: with one unit" in result.output


def test_unwritable_output_is_found_before_training(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("precious")
    result = call("run", "split-digits", *TINY, "--output", blocker / "results")
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: cannot write to the output folder {blocker}")
    assert blocker.read_text() == "precious"


def test_truncated_dataset_file_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"half a file")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    result = call("run", "split-cifar100", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "cifar-100-python/train is damaged: 11 bytes" in result.output
    assert len(result.output.splitlines()) == 1


def test_cuda_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = call("run", "split-digits", "--device", "cuda", "--output", tmp_path)
    assert result.exit_code == 2
    assert "device 'cuda' is not available here; use --device cpu" in result.output


def test_dry_run_prints_every_configuration_and_does_nothing(tmp_path):
    out = tmp_path / "out"
    result = call(
        "run",
        "split-digits",
        "--methods",
        "warm",
        "--seeds",
        "4",
        "--dry-run=json",
        "--output",
        out,
    )
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert set(told) == {"plan", "runs"}
    cgap, warm = told["runs"]
    assert [run["name"] for run in (cgap, warm)] == ["cgap, seed 4", "warm, seed 4"]
    assert [run["state"] for run in (cgap, warm)] == ["to do", "to do"]
    assert (cgap["after"], warm["after"]) == (None, cgap["run_id"])
    assert warm["config"]["seed"] == 4
    plan = told["plan"]
    assert (plan["n_runs"], plan["n_to_do"]) == (2, 2)
    assert 0 < cgap["hours"] <= plan["hours"] <= cgap["hours"] + warm["hours"]
    assert plan["disk_bytes"] > 0
    assert plan["notes"][0].startswith("10 classes, 1,371 training, 71 held-out and 355 test")
    assert not out.exists()


def test_a_plan_without_data_still_has_every_setting(tmp_path):
    """Hours are unknown, and why is a note."""
    words = ["run", "split-cifar100", "--methods", "fixed", "--dry-run=json"]
    result = call(*words, "--data-root", tmp_path, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (run,) = told["runs"]
    assert run["config"]["stream"]["dataset"] == "cifar100"
    assert run["hours"] is told["plan"]["hours"] is told["plan"]["disk_bytes"] is None
    assert "cifar" in told["plan"]["notes"][-1]


def test_dry_run_is_a_table_with_times(tmp_path):
    words = ["run", "split-digits", "--methods", "warm", "--seeds", "4", "--jobs", "2"]
    result = call(*words, "--dry-run", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    data, head, cgap, warm, total = result.output.splitlines()
    assert data.startswith("10 classes, 1,371 training, 71 held-out and 355 test images, 5 ")
    assert head.split()[0] == "method"
    assert [line.split()[:5] for line in (cgap, warm)] == [
        [name, "4", "30", "1", "to"] for name in ("cgap", "warm")
    ]
    assert total.startswith("2 of 2 runs to do, about ")
    assert not (tmp_path / "out").exists()


def test_images_beyond_the_budget_are_told_and_read_from_files(tmp_path):
    words = ["run", "split-digits", "--methods", "fixed", "--seeds", "0", *TINY]
    words += ["--set", "training.eval_batch_size=64", "--data-root", tmp_path / "data"]
    words += ["--records-only", "--output"]
    result = call(*words, tmp_path / "files", "--memory-budget", "50KB")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        "the images of digits take 115.0KB, more than the memory budget of a run, 50.0KB: they"
        " are read from files as they are needed"
    )
    assert call(*words, tmp_path / "memory").exit_code == 0
    (one,), (other,) = read_records(tmp_path / "files"), read_records(tmp_path / "memory")
    assert one == other
    assert one.environment["images"] == "in files"
    assert other.environment["images"] == "in memory"


def test_a_whole_run_ends_in_table_and_figure_and_is_not_done_twice(tmp_path):
    words = ["run", "split-digits", "--methods", "fixed,independent", "--seeds", "0", *TINY]
    words += ["--output", tmp_path]
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert {r.config.method for r in read_records(tmp_path)} == {"cgap", "fixed", "independent"}
    for word in ("forgetting", "MACs", "independent"):
        assert word.lower() in result.output.lower()
    assert list((tmp_path / "figures").rglob("*.svg"))
    assert list((tmp_path / "tables").rglob("*.md"))
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json")}
    assert call(*words).exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json")} == stamps


def test_a_record_of_a_newer_schema_is_one_line_and_stays(tmp_path):
    words = ["run", "split-digits", "--methods", "fixed", "--seeds", "0", *TINY]
    words += ["--output", tmp_path]
    assert call(*words).exit_code == 0
    (path,) = (tmp_path / "runs").rglob("*.json")
    newer = path.read_text().replace('"schema_version": 3', '"schema_version": 4')
    path.write_text(newer)
    result = call(*words)
    assert result.exit_code == 2
    assert "has schema version 4" in result.output
    assert len(result.output.splitlines()) == 1
    assert path.read_text() == newer


@pytest.mark.parametrize(
    ("steering", "board", "noted"), [("zcu104", "kv260", True), ("kv260", "KV260", False)]
)
def test_a_price_on_another_board_than_the_table_s_is_told(tmp_path, steering, board, noted):
    words = ["--methods", "cgap", "--seeds", "0", "--board", board, "--output", tmp_path]
    for setting in ("price=latency", f"board={steering}", "target_price=0.9"):
        words += ["--set", f"cgap.{setting}"]
    result = call("run", "split-digits", *TINY, *words)
    assert result.exit_code == 0
    told = f"{steering} steers cgap (cgap.board); the table is priced on {board} (--board)"
    assert (told in result.output) == noted
