"""`--precision auto`: decided by a probe, kept, and part of what a run is."""

import json

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.commands.before import precision
from cgap_bench.commands.before.precision import FILE, PLAIN, WAYS, fastest, name_of
from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import MemoryFormat, Precision
from cgap_bench.record.store import read_records, write_record
from cgap_bench.run.experiences import train

HALF = (Precision.BFLOAT16, MemoryFormat.CHANNELS_LAST)
COMMAND = [
    *("run", "split-digits", "--methods", "fixed", "--seeds", "0", "--jobs", "1"),
    *("--set", "stream.n_experiences=2", "--set", "stream.n_train_per_class=10"),
    *("--set", "training.epochs=1", "--set", "network.width=0.25"),
]


def call(*words):
    result = CliRunner().invoke(main, [*COMMAND, *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def steps_of(seconds):
    """Ways whose steps take given times, and the calls so far."""
    calls = dict.fromkeys(WAYS, 0)

    def step(way):
        calls[way] += 1
        return seconds[way]

    return {way: lambda way=way: step(way) for way in WAYS}, calls


def executed(jobs, options, _report):
    """In this process."""
    for job in jobs:
        record = train(job.config, options.root)
        write_record(record, options.output)
        yield job, record


@pytest.mark.parametrize(
    ("of_half", "of_the_plain", "chosen"),
    [(0.5, 1.0, HALF), (0.95, 1.0, PLAIN), (20.0, 1.0, PLAIN)],
    ids=["twice as fast", "hardly faster", "slow"],
)
def test_the_plain_way_unless_another_is_clearly_faster(of_half, of_the_plain, chosen):
    times = dict.fromkeys(WAYS, of_the_plain) | {HALF: of_half}
    steps, calls = steps_of(times)
    choice = fastest(steps)
    assert choice.way == chosen
    assert choice.step_ms == {name_of(way): 1e3 * times[way] for way in WAYS}
    assert (calls[HALF] == 1) is (of_half == 20.0)  # what is hopeless is not tried again
    assert calls[PLAIN] > 1


@pytest.mark.parametrize("way", [PLAIN, HALF], ids=name_of)
def test_what_ran_stands_in_the_record_and_in_its_identity(way, tmp_path, monkeypatch):
    times = dict.fromkeys(WAYS, 1.0) | {way: 0.1}
    monkeypatch.setattr(precision, "_steps", lambda *_: steps_of(times)[0])
    monkeypatch.setattr("cgap_bench.show.report.show", lambda *_: None)  # charts take seconds
    monkeypatch.setattr("cgap_bench.commands.run.execute", executed)  # so do processes
    plan = call("--precision", "auto", "--output", tmp_path, "--dry-run")
    assert f"precision: {name_of(way)} by a probe" in plan
    assert not list(tmp_path.iterdir())

    call("--precision", "auto", "--output", tmp_path)
    (record,) = read_records(tmp_path)
    training = record.config.training
    assert (training.precision, training.memory_format) == way
    by_hand = [f"--set=training.precision={way[0]}", f"--set=training.memory_format={way[1]}"]
    assert "the run is finished" in call(*by_hand, "--output", tmp_path, "--dry-run")

    # the same command finds its runs, whatever a probe would say now
    other = dict.fromkeys(WAYS, 1.0) | {HALF if way == PLAIN else PLAIN: 0.1}
    monkeypatch.setattr(precision, "_steps", lambda *_: steps_of(other)[0])
    plan = call("--precision", "auto", "--output", tmp_path, "--dry-run")
    assert "the run is finished" in plan


def test_the_real_probe_times_every_way(tmp_path):
    plan = call("--precision", "auto", "--output", tmp_path, "--dry-run=table")
    line = plan.splitlines()[0]
    assert all(f"{name_of(way)} " in line for way in WAYS)
    times = [float(part.split()[-2]) for part in line.split("(")[1].split(",")]
    assert min(times) > 0


def test_a_format_by_name_is_short_for_a_setting(tmp_path):
    for own, order in (
        ([], "contiguous"),
        (["--set", "training.memory_format=channels-last"], "channels-last"),
    ):
        words = ["--precision", "bfloat16", *own, "--output", tmp_path, "--dry-run=json"]
        config = json.loads(call(*words))["runs"][0]["config"]
        assert config["training"]["precision"] == "bfloat16"
        assert config["training"]["memory_format"] == order


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precision", "float16"], "unknown precision 'float16'; did you mean 'bfloat16'?"),
        (
            ["--precision=bfloat16", "--set=training.precision=float32"],
            "--precision and --set training.precision=float32 exclude each other",
        ),
        (
            ["--precision=auto", "--set=training.memory_format=channels-last"],
            "--precision and --set training.memory_format=channels-last exclude each other",
        ),
    ],
)
def test_what_contradicts_itself_is_told(words, message, tmp_path):
    result = CliRunner().invoke(main, [*COMMAND, *words, "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["{", '{"KEY": {}}', '{"KEY": 1}'])
def test_a_damaged_file_of_decisions_is_told(content, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "_key", lambda *_: "KEY")
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UsageError, match=FILE):
        precision.choose(None, None, tmp_path, keep=True)
    assert (tmp_path / FILE).read_text() == content
