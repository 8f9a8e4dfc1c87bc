"""A shared network whose loss holds back weights that old tasks need."""

from avalanche.training.plugins import EWCPlugin
from pydantic import Field

from cgap_bench.config import Settings
from cgap_bench.method import METHODS, Context, Method
from cgap_bench.methods.fixed import SharedNetwork


class EWCSettings(Settings):
    """Elastic weight consolidation (Kirkpatrick et al. 2017), one penalty per old task."""

    strength: float = Field(100.0, ge=0)  # lambda; the penalty is not halved


def _ewc(context: Context, settings: EWCSettings) -> SharedNetwork:
    return SharedNetwork(context, plugins=[EWCPlugin(ewc_lambda=settings.strength)])


METHODS.add(
    "ewc", Method("the reference network with elastic weight consolidation", EWCSettings, _ewc)
)
