"""The charts of a comparison, in the order in which they are read."""

from collections.abc import Callable, Mapping

from cgap_bench.show.charts.chart import Chart
from cgap_bench.show.charts.differences import differences
from cgap_bench.show.charts.experiences import over_experiences
from cgap_bench.show.charts.growth import growth
from cgap_bench.show.charts.layers import layer_costs
from cgap_bench.show.charts.lengths import over_lengths
from cgap_bench.show.charts.matrices import matrices
from cgap_bench.show.charts.tasks import task_costs
from cgap_bench.show.charts.times import training_times
from cgap_bench.show.charts.trade_off import trade_off
from cgap_bench.show.comparison import Comparison

CHARTS: Mapping[str, Callable[[Comparison], Chart | None]] = {
    "trade-off": trade_off,
    "differences": differences,
    "experiences": over_experiences,
    "lengths": over_lengths,
    "matrices": matrices,
    "growth": growth,
    "task-costs": task_costs,
    "layers": layer_costs,
    "times": training_times,
}


def charts_of(one: Comparison) -> list[Chart]:
    """All that there are data for."""
    made = [make(one) for make in CHARTS.values()]
    return [chart for chart in made if chart is not None]
