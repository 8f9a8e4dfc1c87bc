"""Accuracy against price: every method where its numbers are."""

import math

from cgap_bench.show import derive, tables
from cgap_bench.show.figures.trade_off import TRADE_OFFS, trade_off
from cgap_hw import load_board


def _points(axis):
    """Label -> (x, y) of every error-bar container of a panel."""
    return {
        container.get_label(): (
            container.lines[0].get_xdata()[0],
            container.lines[0].get_ydata()[0],
        )
        for container in axis.containers
    }


def test_trade_off_has_every_method_at_its_price(summary):
    figure = trade_off(summary, "toy")
    assert len(figure.axes) == len(TRADE_OFFS)
    for axis, key in zip(figure.axes, TRADE_OFFS, strict=True):
        expected = {
            row["method"]: (row[key], 100 * row["accuracy"]) for _, row in summary.iterrows()
        }
        assert _points(axis) == expected
        low, high = axis.get_xlim()
        assert all(low <= x <= high for x, _ in expected.values())


def test_equal_prices_do_not_lie_on_the_edge(summary):
    alike = summary.assign(macs=[4.55e6, 4.56e6, 4.59e6])
    axis = trade_off(alike, "toy").axes[TRADE_OFFS.index("macs")]
    low, high = axis.get_xlim()
    assert low == 0
    assert high >= 1.1 * 4.59e6


def test_prices_far_apart_are_on_a_logarithmic_axis(summary):
    far = summary.assign(macs=[1e5, 1e6, 1e8])
    scales = [axis.get_xscale() for axis in trade_off(far, "toy").axes]
    assert scales[TRADE_OFFS.index("macs")] == "log"
    assert scales[TRADE_OFFS.index("parameters")] == "linear"


def test_a_single_run_is_drawn_without_error_bars(make_record):
    platform = derive.Platform(load_board("zcu102"))
    summary = tables.summarise(derive.runs_frame([make_record()], platform))
    assert math.isnan(summary["accuracy_interval"][0])
    (container,) = trade_off(summary, "toy").axes[0].containers
    assert not container.has_xerr
    assert not container.has_yerr
