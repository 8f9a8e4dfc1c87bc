"""The front is what nothing beats."""

import math

import pytest

from cgap_bench.show.charts.trade_off import front, trade_off


@pytest.mark.parametrize(
    ("prices", "accuracies", "expected"),
    [
        ([1, 2, 3], [0.5, 0.9, 0.8], [True, True, False]),
        ([1, 1], [0.5, 0.5], [True, True]),  # equals do not beat each other
        ([1, 1, 2], [0.5, 0.6, 0.6], [False, True, False]),
        ([5], [0.1], [True]),
    ],
)
def test_front(prices, accuracies, expected):
    assert front(prices, accuracies) == expected


def test_data_are_the_table(comparison):
    chart = trade_off(comparison)
    row = chart.frame.set_index("method").loc["cgap"]
    assert row["accuracy"] == pytest.approx(91)
    assert row["accuracy_high"] - row["accuracy"] == pytest.approx(
        100 * 4.302653 * 0.01 / math.sqrt(3), rel=1e-5
    )
    assert list(chart.frame["latency_ms_front"]) == [1, 0, 0]  # cheapest and most accurate
    titles = [panel.title for panel in chart.panels]
    assert titles == ["parameters", "MACs", "latency", "energy"]
