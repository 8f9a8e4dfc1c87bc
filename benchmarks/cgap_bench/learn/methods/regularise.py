"""A shared network that is held back where old tasks need its weights."""

from collections.abc import Callable
from typing import Annotated, Any

from avalanche.training.plugins import SupervisedPlugin
from pydantic import Field

from cgap_bench.learn.context import Context
from cgap_bench.learn.method import ANY_SCENARIO, METHODS, Method
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.learn.methods.penalties.ewc import EWC, Labels, OnlineEWC
from cgap_bench.learn.methods.penalties.mas import MemoryAwareSynapses
from cgap_bench.learn.methods.penalties.si import SynapticIntelligence
from cgap_bench.learn.methods.shaped import shaped_network
from cgap_bench.record.configuration import Settings
from cgap_bench.record.searches import Searched, Spacing


class EWCSettings(Settings):
    """Elastic weight consolidation (Kirkpatrick et al. 2017), one penalty per old task."""

    # lambda; the penalty is not halved, as in Avalanche
    strength: Annotated[float, Searched(1.0, 1e9)] = Field(1e9, gt=0)
    bounded: bool = True  # no weight is pulled harder than plain SGD bears
    labels: Labels = Labels.GIVEN
    fisher_batch: int | None = None  # images to a squared gradient; None: a batch
    fisher_images: int | None = None  # None: all of an experience
    own_channels: bool = False  # each task has its own biases and batch norms

    def options(self, lr: float) -> dict[str, Any]:
        """For the plugin."""
        return {
            "stiffest": stiffest(lr) if self.bounded else None,
            "labels": self.labels,
            "batch_size": self.fisher_batch,
            "n_images": self.fisher_images,
        }


class OnlineEWCSettings(EWCSettings):
    """Online EWC (Schwarz et al. 2018), one penalty for all old tasks."""

    # gamma, of importances from task to task
    decay: Annotated[float, Searched(0.3, 1.0, Spacing.LINEAR)] = Field(1.0, ge=0, le=1)


class SISettings(Settings):
    """Synaptic intelligence (Zenke et al. 2017)."""

    strength: Annotated[float, Searched(0.1, 1e5)] = Field(100.0, gt=0)  # c
    damping: float = Field(0.1, gt=0)  # xi
    bounded: bool = True


class MASSettings(Settings):
    """Memory aware synapses (Aljundi et al. 2018)."""

    strength: Annotated[float, Searched(1e-4, 1e4)] = Field(0.1, gt=0)  # lambda
    bounded: bool = True
    batch: int | None = None  # images whose gradient is averaged before its magnitude is taken
    images: int | None = None  # None: all of an experience


def stiffest(lr: float) -> float:
    """A spring constant at which a step along the penalty alone goes a quarter of the way.

    Args:
        lr: Highest learning rate in use.
    """
    return 1 / (4 * lr)


def _ewc(settings: EWCSettings, lr: float) -> SupervisedPlugin:
    return EWC(settings.strength, **settings.options(lr))


def _online_ewc(settings: OnlineEWCSettings, lr: float) -> SupervisedPlugin:
    return OnlineEWC(settings.strength, settings.decay, **settings.options(lr))


def _si(settings: SISettings, lr: float) -> SupervisedPlugin:
    bound = stiffest(lr) if settings.bounded else None
    return SynapticIntelligence(settings.strength, settings.damping, bound)


def _mas(settings: MASSettings, lr: float) -> SupervisedPlugin:
    bound = stiffest(lr) if settings.bounded else None
    return MemoryAwareSynapses(settings.strength, bound, settings.batch, settings.images)


def _add(
    name: str,
    summary: str,
    settings: type[Settings],
    plugin: Callable[[Any, float], SupervisedPlugin],
    shaped: bool = False,
) -> None:
    def build(context: Context, own: Settings) -> SharedNetwork:
        network = shaped_network(context, -1) if shaped else None
        plugins = [plugin(own, context.config.training.lr)]
        apart = getattr(own, "own_channels", False)
        return SharedNetwork(context, network, plugins, own_channels=apart)

    METHODS.add(name, Method(summary, settings, build, shaped, ANY_SCENARIO))


_add("ewc", "the reference network with elastic weight consolidation", EWCSettings, _ewc)
_add(
    "ewc-online",
    "the reference network with online elastic weight consolidation",
    OnlineEWCSettings,
    _online_ewc,
)
_add("ewc-shaped", "EWC at the widths of CGaP's last task", EWCSettings, _ewc, shaped=True)
_add(
    "ewc-online-shaped",
    "online EWC at the widths of CGaP's last task",
    OnlineEWCSettings,
    _online_ewc,
    shaped=True,
)
_add("si", "the reference network with synaptic intelligence", SISettings, _si)
_add("mas", "the reference network with memory aware synapses", MASSettings, _mas)
