"""The plan before a run: what is to do, how long it takes, and what takes minutes instead."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cgap_bench.commands.before.plan import contents_text, full_text, plan_text
from cgap_bench.commands.run import Request
from cgap_bench.errors import UsageError
from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.show.text_tables import duration


class _Forecast:
    """Times that are given: 100 s a run."""

    def __init__(self, done=(), each_s=100.0) -> None:
        self._done, self._each_s = set(done), each_s

    def is_finished(self, job):
        return job.run_id in self._done

    def seconds(self, job, _jobs=()) -> float:
        return 0.0 if self.is_finished(job) else self._each_s

    def disk_bytes(self, _jobs, _processes) -> int:
        return 12_000_000


def _jobs(preset="quick", methods=("cgap", "warm", "fixed")):
    name, recipe = load_recipe("split-cifar100")
    return jobs_of(resolve(name, recipe, preset).config, methods, [0, 1, 2]), recipe


@pytest.mark.parametrize(
    ("benchmark", "preset", "seeds", "others"),
    [
        ("split-cifar100", "ten", [16, 17], True),
        ("split-cifar100", "standard", [0, 1], False),
        ("cifar100-superclass", "orders", [0, 1], True),
        ("cifar100-superclass", "orders", [1], False),
        ("cifar100-superclass", "t0", [0, 1], False),
    ],
)
def test_what_a_stream_holds_says_where_other_seeds_have_other_orders(
    benchmark, preset, seeds, others
):
    name, recipe = load_recipe(benchmark)
    jobs = jobs_of(resolve(name, recipe, preset).config, ["cgap"], seeds)
    forecast = _Forecast()
    forecast.work = lambda _: SimpleNamespace(contents="100 classes")
    (line,) = contents_text(jobs, forecast)
    assert line == "100 classes" + "; other runs have other orders of classes" * others


def test_a_line_a_method_and_one_on_all():
    jobs, recipe = _jobs()
    done = [job.run_id for job in jobs[:3]] + [jobs[4].run_id]
    head, *rows, total = plan_text(jobs, _Forecast(done), 2, recipe).splitlines()
    assert head.split() == ["method", "seeds", "epochs", "state", "time", "differs"]
    assert [row.split()[:3] for row in rows] == [
        ["cgap", "0-2", "10"],
        ["fixed", "0-2", "10"],
        ["warm", "0-2", "10"],
    ]
    assert "finished  " in rows[0]
    assert "1 finished, 2 to do" in rows[1]
    assert "3 to do" in rows[2]
    assert total == "5 of 9 runs to do, about 4 min in 2 processes, up to 12 MB on disk"


def test_settings_that_differ_are_shown():
    name, recipe = load_recipe("split-cifar100")
    jobs = jobs_of(resolve(name, recipe, "paper").config, ["cgap", "fixed"], [0])
    _, cgap, fixed, *_ = plan_text(jobs, _Forecast(), 1).splitlines()
    assert cgap.rstrip().endswith("-")
    assert "training.momentum=0.0" in fixed
    assert "training.lr_schedule=plateau" in fixed


@pytest.mark.parametrize(
    ("preset", "each_s", "named"),
    [("standard", 2000.0, True), ("standard", 10.0, False), ("quick", 2000.0, False)],
)
def test_the_preset_of_minutes_is_named_where_this_takes_long(preset, each_s, named):
    jobs, recipe = _jobs(preset)
    text = plan_text(jobs, _Forecast(each_s=each_s), 2, recipe)
    assert ("--preset quick takes minutes" in text) is named


def test_all_finished_needs_no_time():
    jobs, recipe = _jobs()
    text = plan_text(jobs, _Forecast([job.run_id for job in jobs]), 2, recipe)
    assert text.endswith("all 9 runs are finished")


def test_one_run_is_no_faster_in_many_processes():
    jobs, _ = _jobs()
    text = plan_text(jobs[:1], _Forecast(), 16)
    assert text.endswith("1 of 1 run to do, about 2 min in 1 process, up to 12 MB on disk")
    done = plan_text(jobs[:1], _Forecast([jobs[0].run_id]), 16)
    assert done.endswith("\nthe run is finished")


def test_the_full_preset_is_named_with_its_time():
    jobs, _ = _jobs("standard")
    command = "cgap-cl run split-cifar100 --preset standard"
    assert full_text(command, lambda: jobs, _Forecast(each_s=7200), 2) == (
        f"this was the short preset; all of it: {command} (9 runs, about 9.0 h)"
    )


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (UsageError("no images\nof that name"), "no images"),
        (RuntimeError("can't allocate memory"), "can't allocate memory"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_an_error_of_the_full_preset_is_told_in_its_line(error, cause):
    def fail(*_):
        raise error

    jobs, _ = _jobs("standard")
    line = "this was the short preset; all of it: c ({}no time can be told: {})"
    assert full_text("c", fail, _Forecast(), 2) == line.format("", cause)
    broken = _Forecast()
    broken.seconds = fail
    assert full_text("c", lambda: jobs, broken, 2) == line.format("9 runs, ", cause)


@pytest.fixture
def probed(monkeypatch):
    """Runs end at once, without charts; names of what was probed."""
    names = []

    def counted(name):
        def seen(*_):
            names.append(name)
            raise RuntimeError(f"{name} is not for this test")

        monkeypatch.setattr(f"cgap_bench.commands.before.forecast.{name}", seen)

    for name in ("step_seconds", "column_costs", "probed_training"):
        counted(name)
    monkeypatch.setattr("cgap_bench.commands.run.plan_text", lambda *_: "the plan")
    monkeypatch.setattr("cgap_bench.commands.run.execute", lambda *_: (job for job in ()))
    monkeypatch.setattr("cgap_bench.run.executors.server.begin", lambda: None)
    return names


@pytest.mark.parametrize("full", ["standard", "none of that name"])
def test_a_run_ends_well_whatever_the_full_preset_says(
    full, run, probed, monkeypatch, tmp_path
):
    monkeypatch.setattr(Request, "full", lambda self: replace(self, preset=full))
    words = ["run", "split-digits", "--methods", "fixed", "--seeds", "0", "--jobs", "1"]
    said = run(*words, "--output", tmp_path)
    assert said.exit_code == 0, said.output
    assert f"all of it: cgap-cl run split-digits --preset {full} (" in said.output
    assert "no time can be told: " in said.output
    assert bool(probed) is (full == "standard")

    probed.clear()
    quiet = run(*words, "--output", tmp_path, "--quiet")
    assert (quiet.exit_code, quiet.output, probed) == (0, "", [])


def test_durations_in_their_unit():
    assert [duration(s) for s in (3, 89, 90, 5399, 5400, 172800)] == [
        "3 s",
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
        "2.0 days",
    ]


def test_variants_are_kinds_of_their_own():
    jobs, recipe = _jobs(methods=["cgap"])
    varied = [replace(j, config=j.config.model_copy(update={"variant": "x=1"})) for j in jobs]
    rows = plan_text([*jobs, *varied], _Forecast(), 2, recipe).splitlines()
    assert [row.split()[:2] for row in rows[1:3]] == [["cgap", "0-2"], ["cgap", "x=1"]]
