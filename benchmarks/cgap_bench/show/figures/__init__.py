"""How does it look? One module a figure; the only place that draws."""

from cgap_bench.show.figures.differences import differences
from cgap_bench.show.figures.experiences import over_experiences
from cgap_bench.show.figures.look import save
from cgap_bench.show.figures.roofline import roofline
from cgap_bench.show.figures.tasks import per_task
from cgap_bench.show.figures.trade_off import trade_off

__all__ = ["differences", "over_experiences", "per_task", "roofline", "save", "trade_off"]
