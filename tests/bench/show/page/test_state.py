"""Gaps and mixtures among records are told before the numbers."""

import pytest

from cgap_bench.show.comparison import comparisons
from cgap_bench.show.page.state import unfinished, warnings


@pytest.fixture
def told(platform):
    def lines(records):
        (one,) = comparisons(records, platform)
        return warnings(one)

    return lines


def changed(record, **environment):
    return record.model_copy(update={"environment": {**record.environment, **environment}})


def test_records_that_are_alike_need_no_warning(told, some_records):
    assert told(some_records) == []


def test_a_missing_seed(told, some_records):
    assert told(some_records[:-1]) == [
        "Missing: ewc has no run of seed 2; paired differences leave them out."
    ]


def test_a_fact_that_only_some_records_hold(told, make_record):
    whole = make_record("cgap").model_copy(update={"accuracy_8bit": [0.9, 0.8, 0.7]})
    (line,) = told([whole, make_record("ewc")])
    assert line.startswith("Partial: no accuracy at 8 bits in 1 records (")


def test_several_versions_and_machines(told, make_record):
    records = [
        changed(make_record("cgap"), revision="aaa", device="CPU A", system="Linux"),
        changed(make_record("ewc"), revision="bbb+", device="CPU B", system="Linux"),
    ]
    code, machines, dirty = told(records)
    assert code == "Made with 2 versions of the code (aaa: 1 runs, bbb+: 1 runs)."
    assert machines == (
        "Made with 2 machines (CPU A, Linux, kernels unknown, threads unknown: 1 runs,"
        " CPU B, Linux, kernels unknown, threads unknown: 1 runs)."
    )
    assert "changed and not committed" in dirty


@pytest.mark.parametrize("change", [{"capability": "AVX512"}, {"threads": 2}])
def test_other_kernels_or_threads_are_another_machine(change, told, make_record):
    """Rounding alone has moved EWC by points: the same processor is not enough."""
    machine = {"device": "CPU", "system": "Linux", "capability": "AVX2", "threads": 1}
    first, second = make_record("cgap"), make_record("ewc")
    assert not told([changed(first, **machine), changed(second, **machine)])
    (line,) = told([changed(first, **machine), changed(second, **(machine | change))])
    assert line.startswith("Made with 2 machines (CPU, Linux, kernels AVX")
    assert "CPU, Linux, kernels AVX2, threads 1: 1 runs" in line


def test_runs_that_have_begun(tmp_path):
    assert unfinished(tmp_path) == []
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "abc.lock").touch()
    assert unfinished(tmp_path) == ["1 run has begun and no record yet."]
    (tmp_path / "runs" / "toy").mkdir(parents=True)
    (tmp_path / "runs" / "toy" / "abc.json").touch()
    assert unfinished(tmp_path) == []
