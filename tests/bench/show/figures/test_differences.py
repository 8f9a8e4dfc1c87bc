"""Paired differences: places, order, what is hollow."""

import pytest

from cgap_bench.show import derive, stats
from cgap_bench.show.figures import differences
from cgap_bench.show.paired.differences import paired
from cgap_hw import load_board


def test_differences_lie_at_their_means_worst_at_the_bottom():
    compared = {  # by mean, which is neither the order of names nor that of insertion
        "b": stats.compare((0.9, 0.8), (0.7, 0.7)),
        "c": stats.compare((0.9, 0.8), (0.9, 0.9)),
        "a": stats.compare((0.9, 0.8), (0.8, 0.8)),
    }
    axis = differences(compared, "toy").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["c", "a", "b"]
    points = [tuple(c.lines[0].get_xydata()[0]) for c in axis.containers]
    assert points == [(pytest.approx(x), place) for place, x in enumerate((-5.0, 5.0, 15.0))]
    low, high = axis.get_ylim()
    assert low < 0
    assert high > 2


@pytest.mark.parametrize(("values", "hollow"), [((0.1, 0.3), True), ((0.1, 0.11), False)])
def test_a_difference_that_may_be_none_is_hollow(values, hollow):
    one = stats.compare(values, (0.0, 0.0))
    axis = differences({"other": one}, "toy").axes[0]
    fill = axis.containers[0].lines[0].get_markerfacecolor()
    assert (fill == "white") == hollow
    extremes = [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "|"]
    assert [100 * value for value in values] in extremes


def test_nothing_to_compare_is_no_figure(make_record):
    runs = derive.runs_frame([make_record()], derive.Platform(load_board("zcu102")))
    assert differences(paired(runs, "accuracy"), "toy") is None
