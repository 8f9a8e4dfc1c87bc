"""Growth over epochs, experience after experience."""

import pytest

from cgap_bench.show.charts.growth import growth
from cgap_bench.show.comparison import comparisons


def history(*columns):
    return [
        {"kind": kind, "iteration": iteration, "widths": {"conv": units}, "block": block}
        for block, events in enumerate(columns)
        for kind, iteration, units in events
    ]


@pytest.fixture
def grown(make_record, platform):
    column = [("sprout", 0, 2), ("grow", 20, 4), ("prune", 40, 3), ("merge", 100, 3)]
    record = make_record("cgap", epochs=10).model_copy(
        update={"history": history(column, column)}
    )
    (one,) = comparisons([record], platform)
    return one


def test_iterations_become_epochs(grown):
    frame = growth(grown).frame
    events = frame[frame["event"] != "consolidate"]
    assert list(events["start"]) == [0, 2, 4, 10, 10, 12, 14, 20]
    assert list(events["units"]) == [2, 4, 3, 3] * 2


def test_consolidation_is_between_growth_and_pruning(grown):
    frame = growth(grown).frame
    rows = frame[frame["event"] == "consolidate"]
    assert [tuple(row) for row in rows[["start", "end"]].values] == [(2, 4), (12, 14)]


def test_nothing_is_drawn_where_nothing_has_grown(comparison):
    assert growth(comparison) is None
