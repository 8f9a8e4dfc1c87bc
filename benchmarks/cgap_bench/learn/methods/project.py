"""Shared weights that move only beside the inputs of old tasks."""

from typing import Annotated, Any

from pydantic import Field
from torch import nn

from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, NEEDS_TASK, Method
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.learn.methods.projections.gpm import GradientProjection
from cgap_bench.learn.methods.projections.trgp import (
    TrustRegionNetwork,
    TrustRegionProjection,
)
from cgap_bench.record.configuration import Scenario, Settings
from cgap_bench.record.searches import Searched, Spacing


class GPMSettings(Settings):
    """GPM (Saha et al. 2021); the values of its CIFAR-100 experiments."""

    # of the inputs' squared length
    threshold: Annotated[float, Searched(0.8, 0.995, Spacing.LINEAR)] = Field(0.97, gt=0, le=1)
    first_threshold: float | None = Field(None, gt=0, le=1)  # of the first layer; None: same
    step: float = Field(0.003, ge=0)  # added with each experience
    images: int = Field(125, gt=0)  # whose inputs are looked at
    columns: int = Field(4000, gt=0)  # inputs of a layer at most

    def options(self) -> dict[str, Any]:
        """For the plugin."""
        return {
            "threshold": self.threshold,
            "first_threshold": self.first_threshold,
            "step": self.step,
            "n_images": self.images,
            "n_columns": self.columns,
        }


class TRGPSettings(GPMSettings):
    """TRGP (Lin et al. 2022)."""

    relatedness: Annotated[float, Searched(0.2, 0.9, Spacing.LINEAR)] = Field(0.5, ge=0, le=1)
    n_related: int = Field(2, gt=0)


class TrustRegionLearner:
    """A `TrustRegionNetwork` in Avalanche's plain strategy."""

    STATE = ()

    def __init__(self, context: Context, settings: TRGPSettings) -> None:
        tasks = range(context.stream.n_experiences)
        self.model = TrustRegionNetwork(context.network(), tasks, settings.n_related)
        plugin = TrustRegionProjection(settings.relatedness, **settings.options())
        self.strategy: TensorStrategy | None = context.strategy(self.model, [plugin])
        self.extra: dict[str, Any] = {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Nothing happens to the structure."""
        return []

    def learn(self, experience: Any) -> None:
        """Train weights and scales on one experience."""
        assert self.strategy is not None
        self.strategy.train(experience)

    def network_for(self, task: int) -> nn.Module | None:
        """One plain network: shared weights and what the task's scales add."""
        return self.model.network_for(task)

    def stored_parameters(self) -> int:
        """Weights, heads, bases and scales."""
        return self.model.stored_parameters()


def _gpm(context: Context, settings: GPMSettings) -> SharedNetwork:
    """A head that all tasks share needs protection like any other layer."""
    own_heads = context.config.stream.scenario is Scenario.TASK
    plugin = GradientProjection("backbone" if own_heads else "", **settings.options())
    return SharedNetwork(context, plugins=[plugin])


METHODS.add(
    "gpm",
    Method(
        "weights move beside the inputs of old tasks only",
        GPMSettings,
        _gpm,
        scenarios=frozenset({Scenario.TASK, Scenario.DOMAIN}),
        why_no_other="one head over all classes would have to tell new ones from old ones along"
        " the very inputs beside which it may move",
    ),
)
METHODS.add(
    "trgp",
    Method(
        "the same, with scaled directions of related old tasks",
        TRGPSettings,
        TrustRegionLearner,
        why_no_other="every task scales the weights in its own way, when it is asked too,"
        f" {NEEDS_TASK}",
    ),
)
