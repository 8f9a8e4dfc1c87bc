"""Costs of each task's own network, where averages hide a network that grows."""

import pytest

from cgap_bench.show.comparison import comparisons
from cgap_bench.show.tasks.each_task import each_task


@pytest.fixture
def table_of(make_record, platform):
    def made(widths, final=(0.9, 0.8, 0.7), **more):
        records = [
            make_record("pnn", 0, final, widths=widths),
            make_record("fixed", 0, final, widths=[2] * len(final)),
        ]
        (one,) = comparisons(records, platform)
        return each_task(one)

    return made


def parameters(width):
    """Of `make_record`'s network: a 3x3 convolution, and a head of ten inputs a unit."""
    return 10 * width + 2 * (10 * width + 1)


def test_every_task_has_a_column(table_of):
    table = table_of([10, 20, 40])
    assert table.header[:4] == (
        "method",
        *(f"parameters, task {k} [k]" for k in (1, 2, 3)),
    )
    assert table.header[4] == "latency, task 1 [ms]"
    (row,) = (row for row in table.rows if row[0] == "pnn")
    assert [float(text) for text in row[1:4]] == [parameters(w) / 1e3 for w in (10, 20, 40)]
    assert float(row[4]) < float(row[5]) < float(row[6])


def test_of_many_tasks_the_ends_and_the_dearest(table_of):
    final = (0.9,) * 12
    table = table_of([10] * 5 + [40] + [20] * 6, final)
    assert table.header[1:4] == tuple(
        f"parameters, {name} [k]" for name in ("task 1", "largest", "task 12")
    )
    (row,) = (row for row in table.rows if row[0] == "pnn")
    assert [float(text) for text in row[1:4]] == [parameters(w) / 1e3 for w in (10, 40, 20)]


def test_a_single_task_has_none(table_of):
    assert table_of([10], (0.9,)) is None
