"""Where there are more methods than lines can tell apart, numbers are written."""

import pytest

from cgap_bench.show.charts import look
from cgap_bench.show.charts.all_charts import charts_of
from cgap_bench.show.charts.drawing import drawn
from cgap_bench.show.charts.experiences import over_experiences
from cgap_bench.show.charts.matrices import matrices
from cgap_bench.show.charts.tasks import task_costs
from cgap_bench.show.charts.trade_off import trade_off


@pytest.fixture
def crowd(comparison, monkeypatch):
    monkeypatch.setattr(look, "MANY", 2)
    return comparison


def test_few_are_lines(comparison):
    for chart in (over_experiences(comparison), task_costs(comparison)):
        assert "line" in str(chart.panels[0].spec)


@pytest.mark.parametrize(
    ("make", "step"), [(over_experiences, "experience"), (task_costs, "task")]
)
def test_many_are_rows_of_numbers_the_most_accurate_on_top(crowd, make, step):
    for panel in make(crowd).panels:
        assert "line" not in str(panel.spec["layer"])
        assert panel.spec["encoding"]["x"]["field"] == step
        assert panel.spec["encoding"]["y"]["sort"] == ["cgap", "ewc", "fixed"]


def test_parameters_of_each_task_are_among_them(crowd):
    frame = task_costs(crowd).frame
    assert set(frame) == {"method", "task", "latency_ms", "parameters", "macs"}
    assert set(frame.query("method == 'cgap'")["parameters"]) == {2 * 10 + 2 * 21}


def test_the_front_is_named_and_errors_are_drawn_out(crowd):
    chart = trade_off(crowd)
    assert [panel.title for panel in chart.panels][2] == "latency, front: cgap"
    row = chart.frame.set_index("method").loc["cgap"]
    assert row["error"] == pytest.approx(9)
    assert row["error_low"] == pytest.approx(100 - row["accuracy_low"])


def test_matrices_are_small(crowd):
    assert matrices(crowd).panels[0].width == round(0.7 * 150)


def test_all_can_be_drawn(crowd):
    for chart in charts_of(crowd):
        assert drawn(chart, "a crowd", ("svg",))["svg"].startswith(b"<svg")
