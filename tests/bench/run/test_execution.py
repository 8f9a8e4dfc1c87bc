"""Many runs: dependence, what is kept, what a failure costs."""

import pytest

from cgap_bench.errors import RunError, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.configuration import StreamSettings
from cgap_bench.record.identity import run_id
from cgap_bench.record.store import read_records
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.jobs import Job, jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve

TINY = (
    "stream.n_experiences=2",
    "stream.n_train_per_class=10",
    "training.epochs=1",
    "network.width=0.25",
)


def config_of(*overrides):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, None, [*TINY, *overrides]).config


def by_id(results):
    return {job.run_id: record for job, record in results}


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_are_recorded_and_not_run_again_unless_forced(tmp_path, jobs):
    options = Options(tmp_path, data_root(), jobs=jobs)
    todo = jobs_of(config_of(), ["fixed", "fixed-equal"], [0])
    images = []
    done = by_id(execute(todo, options, lambda key, n: images.append((key, n))))
    assert set(done) == {job.run_id for job in todo}
    assert {key for key, _ in images} == {job.run_id for job in todo}
    cgap, dependant = done[todo[0].run_id], done[todo[2].run_id]
    assert dependant.depends_on == cgap.run_id == run_id(todo[0].config)
    assert dependant.run_id == todo[2].run_id
    assert sorted(r.run_id for r in read_records(tmp_path)) == sorted(j.run_id for j in todo)

    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    again = by_id(execute(todo, options, lambda key, n: pytest.fail("ran again")))
    assert again == done
    forced = Options(tmp_path, data_root(), jobs=jobs, force=True)
    assert by_id(execute(todo, forced, lambda key, n: None)) == done
    assert all(path.stat().st_mtime_ns != stamp for path, stamp in stamps.items())


def test_a_run_that_fails_loses_no_other(tmp_path):
    good = config_of()("fixed", 0)
    broken = good.model_copy(
        update={"stream": StreamSettings(dataset="digits", n_experiences=3)}
    )
    jobs = [Job(broken), Job(good), Job(config_of()("warm", 0), sized_by=broken)]
    finished = []

    def run_all():
        for job, _ in execute(
            jobs, Options(tmp_path, data_root(), jobs=1), lambda key, n: None
        ):
            finished.append(job)

    with pytest.raises(
        UsageError, match=r"2 of the runs not done, first fixed, seed 0: .*n_experiences=3"
    ):
        run_all()
    assert finished == [jobs[1]]
    assert [record.config for record in read_records(tmp_path)] == [good]


def test_nothing_is_run_beside_records_of_an_older_schema(tmp_path):
    """What was done before lies under other identities: it would be done again."""
    path = tmp_path / "runs" / "split-digits" / "abc.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 2}')
    jobs = jobs_of(config_of(), ["fixed"], [0])
    with pytest.raises(UsageError, match=r"abc\.json is of .*cgap-cl migrate"):
        list(execute(jobs, Options(tmp_path, data_root()), lambda key, n: None))
    assert list(path.parent.iterdir()) == [path]


def test_numbers_do_not_depend_on_processes_or_order(tmp_path):
    todo = jobs_of(config_of(), ["cgap", "fixed"], [0])
    one = Options(tmp_path / "one", data_root(), jobs=1)
    two = Options(tmp_path / "two", data_root(), jobs=2)
    first = by_id(execute(todo, one, lambda key, what: None))
    second = by_id(execute(todo[::-1], two, lambda key, what: None))
    assert first == second
    assert not list((tmp_path / "two" / "unfinished").iterdir())


def test_a_file_that_is_no_record_is_left_alone_and_costs_its_own_run(tmp_path):
    jobs = jobs_of(config_of(), ["cgap", "fixed"], [0])
    path = tmp_path / "runs" / "split-digits" / f"{jobs[0].run_id}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 3}')
    finished = []
    options = Options(tmp_path, data_root(), jobs=1)

    def run_all(todo):
        finished.extend(job for job, _ in execute(todo, options, lambda key, n: None))

    with pytest.raises(UsageError, match=r"1 of the runs not done.*is not a valid record"):
        run_all(jobs)
    assert finished == [jobs[1]]
    assert path.read_text() == '{"schema_version": 3}'


def test_a_run_that_diverges_is_recorded_as_such_and_others_go_on(tmp_path):
    """Those that are sized by it cannot."""
    wild = config_of("training.lr=1e6", "training.batch_size=4")
    jobs = [*jobs_of(wild, ["fixed-equal"], [0]), *jobs_of(config_of(), ["fixed"], [0])]
    options = Options(tmp_path, data_root(), jobs=1)
    done = {}

    def run_all():
        for job, record in execute(jobs, options, lambda key, n: None):
            done[job.run_id] = record

    with pytest.raises(RunError, match=r"1 of the runs .*sized by diverged"):
        run_all()
    cgap, dependant, fixed = (job.run_id for job in jobs)
    assert str(done[cgap].outcome).startswith("diverged in experience 1, epoch 1, batch ")
    assert done[cgap].accuracy == []
    assert done[fixed].outcome is None
    assert dependant not in done
    assert {r.run_id: r for r in read_records(tmp_path)} == done
    with pytest.raises(RunError, match="sized by diverged"):
        run_all()  # it is not tried again
