"""Many runs: order, dependence, what is kept, what a failure costs."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.datasets import data_root
from cgap_bench.record.configuration import StreamSettings, run_id
from cgap_bench.record.record import read_records
from cgap_bench.run.execution import Job, Options, execute, plan, reference_of
from cgap_bench.run.recipe import load_recipe, resolve

TINY = (
    "stream.n_experiences=2",
    "stream.n_train_per_class=10",
    "training.epochs=1",
    "network.width=0.25",
)


def config_of(*overrides):
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, None, [*TINY, *overrides]).config


def test_cgap_comes_first_and_is_added_when_others_need_it():
    jobs = plan(config_of(), ["warm", "fixed"], [0, 1])
    order = [(job.config.method, job.config.seed) for job in jobs]
    assert order == [
        ("cgap", 0), ("cgap", 1), ("fixed", 0), ("fixed", 1), ("warm", 0), ("warm", 1),
    ]  # fmt: skip
    assert jobs[4].sized_by == jobs[0].config
    assert jobs[5].sized_by == jobs[1].config
    assert [job.config.method for job in plan(config_of(), ["ewc"], [0])] == ["ewc"]


def test_identity_of_a_dependant_follows_the_run_it_is_sized_by():
    one, other = (
        plan(config_of(f"cgap.target_price={price}"), ["warm"], [0])[1] for price in (0.2, 0.3)
    )
    assert one.config == other.config
    assert one.run_id != other.run_id


def by_id(results):
    return {job.run_id: record for job, record in results}


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_are_recorded_and_not_run_again_unless_forced(tmp_path, jobs):
    options = Options(tmp_path, data_root(), jobs=jobs)
    todo = plan(config_of(), ["fixed", "fixed-equal"], [0])
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


def test_reference_is_the_mean_over_tasks(make_record):
    record = make_record(final=(0.9, 0.8), widths=[2, 4])
    # conftest: 576 * width + 20 * width MACs.
    assert reference_of(record).macs == 596 * 3
    assert reference_of(record).run_id == record.run_id
