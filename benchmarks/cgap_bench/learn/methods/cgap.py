"""CGaP: a column per experience that grows, is pruned, and is merged into the frozen base."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS, Context, Method
from cgap_bench.record.configuration import Settings, later
from cgap_bench.shapes.board_price import BoardPrice, Quantity
from cgap_cl import (
    CGaPConfig,
    CGaPPlugin,
    GrowthPolicy,
    Inherit,
    Phases,
    PlasticNetwork,
    PruningPolicy,
    UnreachableTargetError,
    Where,
)
from cgap_cl.change.gradmax import GradMax
from cgap_cl.change.newborn import FanOut, NewbornValues, Random, ScaledCopy, Split, net2wider
from cgap_cl.decide import price, saliency
from cgap_cl.decide.price import PriceFactory
from cgap_cl.train.births import ceiling


class Score(StrEnum):
    """Saliency of a unit, see `cgap_cl.decide.saliency`."""

    WEIGHT_GRADIENT = "weight-gradient"
    MAGNITUDE = "magnitude"
    TAYLOR = "taylor"
    NORM_TAYLOR = "norm-taylor"
    ACTIVATION = "activation"
    RANDOM = "random"


class Newborn(StrEnum):
    """First values of a newborn unit, see `cgap_cl.change.newborn`."""

    SPLIT = "split"
    NET2WIDER = "net2wider"
    SCALED_COPY = "scaled-copy"
    RANDOM = "random"
    GRADMAX = "gradmax"


class Price(StrEnum):
    """What growth and pruning count as cost, see `cgap_cl.decide.price`."""

    MACS = "macs"
    PARAMETERS = "parameters"
    BALANCED = "balanced"
    LATENCY = "latency"  # these three on `board`
    ENERGY = "energy"
    DRAM = "dram-bytes"


SCORES: dict[Score, Callable[[int], Any]] = {
    Score.WEIGHT_GRADIENT: lambda _seed: saliency.weight_gradient,
    Score.MAGNITUDE: lambda _seed: saliency.magnitude,
    Score.TAYLOR: lambda _seed: saliency.taylor,
    Score.NORM_TAYLOR: lambda _seed: saliency.norm_taylor,
    Score.ACTIVATION: lambda _seed: saliency.Activation(),
    Score.RANDOM: saliency.RandomScore,
}
NEWBORNS: dict[Newborn, Callable[..., Any]] = {
    Newborn.SPLIT: Split,
    Newborn.NET2WIDER: net2wider,
    Newborn.SCALED_COPY: ScaledCopy,
    Newborn.RANDOM: Random,
    Newborn.GRADMAX: GradMax,
}
PRICES = {
    Price.MACS: price.macs,
    Price.PARAMETERS: price.parameters,
    Price.BALANCED: price.balanced,
}
METHOD, GROWTH, PRUNING, PHASES = CGaPConfig(), GrowthPolicy(), PruningPolicy(), Phases()


class CGaPSettings(Settings):
    """The settings of `cgap_cl`, with its defaults, as a recipe can write them."""

    target_price: float = METHOD.target_price
    peak_ratio: float = METHOD.peak_ratio
    seed_ratio: float = METHOD.seed_ratio
    price: Price = Price.MACS
    board: str = "zcu104"
    score: Score = Score.WEIGHT_GRADIENT
    newborn: Newborn = Newborn.RANDOM
    beta: float = GROWTH.beta
    grow_where: Where = GROWTH.where
    capacity: float = GROWTH.capacity
    linear_capacity: float = GROWTH.linear_capacity
    prune_where: Where = PRUNING.where
    floor: float = PRUNING.floor
    grow_until: float = PHASES.grow_until
    prune_from: float = PHASES.prune_from
    prune_until: float = PHASES.prune_until
    growth_events: int = PHASES.growth_events
    pruning_steps: int = PHASES.pruning_steps
    inherit: Inherit = METHOD.inherit
    share_groups: int = METHOD.share_groups
    trunk_blocks: int = METHOD.trunk_blocks
    lateral_keep: float = METHOD.lateral_keep
    distillation: float = METHOD.distillation
    temperature: float = later(METHOD.temperature)
    noise: float | None = later(None)  # of `newborn=split`, as a share of its parent
    fan_out: FanOut | None = later(None)  # None: as the newborn's own definition has it
    capacities: dict[str, float] = later({})  # group -> its own capacity
    held_out_share: float = later(METHOD.held_out_share)
    growth_patience: int = later(METHOD.growth_patience)
    pruning_tolerance: float | None = later(METHOD.pruning_tolerance)
    trial_iterations: int = later(METHOD.trial_iterations)
    first_seed_ratio: float | None = later(METHOD.first_seed_ratio)

    @model_validator(mode="after")
    def _valid(self) -> Self:
        self.config(seed=0)
        for name, (wanted, there) in self._needs().items():
            default = type(self).model_fields[name].default
            if getattr(self, name) != default and not there:
                raise ValueError(f"{name}={getattr(self, name)} has no effect without {wanted}")
        return self

    def _needs(self) -> dict[str, tuple[str, bool]]:
        """Settings that matter only beside others: what they need, and whether it is there."""
        return {
            "board": ("price=latency, energy or dram-bytes", self.price not in PRICES),
            "lateral_keep": ("trunk_blocks above 0", self.trunk_blocks > 0),
            "temperature": ("distillation above 0", self.distillation > 0),
            "growth_patience": ("held_out_share above 0", self.held_out_share > 0),
            "trial_iterations": ("inherit=best", self.inherit is Inherit.BEST),
        }

    def config(self, seed: int, example: Tensor | None = None) -> CGaPConfig:
        """As `cgap_cl` takes them.

        Args:
            seed: Of newborns and random choices.
            example: One input (1, ...), which prices on a board need to be traced.
        """
        return CGaPConfig(
            target_price=self.target_price,
            peak_ratio=self.peak_ratio,
            seed_ratio=self.seed_ratio,
            price=self._price(example),
            score=SCORES[self.score](seed),
            newborn=self._newborn_values(),
            growth=GrowthPolicy(
                self.beta,
                self.grow_where,
                self.capacity,
                self.linear_capacity,
                self.capacities,
            ),
            pruning=PruningPolicy(self.prune_where, self.floor),
            phases=Phases(
                self.grow_until,
                self.prune_from,
                self.prune_until,
                self.growth_events,
                self.pruning_steps,
            ),
            inherit=self.inherit,
            share_groups=self.share_groups,
            trunk_blocks=self.trunk_blocks,
            lateral_keep=self.lateral_keep,
            distillation=self.distillation,
            temperature=self.temperature,
            seed=seed,
            held_out_share=self.held_out_share,
            growth_patience=self.growth_patience,
            pruning_tolerance=self.pruning_tolerance,
            trial_iterations=self.trial_iterations,
            first_seed_ratio=self.first_seed_ratio,
        )

    def _newborn_values(self) -> NewbornValues:
        if self.noise is not None and self.newborn is not Newborn.SPLIT:
            raise ValueError(f"noise belongs to newborn=split, not to {self.newborn.value}")
        own = {} if self.noise is None else {"noise": self.noise}
        newborn: NewbornValues = NEWBORNS[self.newborn](**own)
        return newborn if self.fan_out is None else replace(newborn, fan_out=self.fan_out)  # type: ignore[type-var]

    def _price(self, example: Tensor | None) -> PriceFactory:
        if self.price in PRICES:
            return PRICES[self.price]
        example = torch.zeros(1) if example is None else example
        return BoardPrice(Quantity(self.price.value), self.board, example)


class PlasticLearner:
    """`CGaPPlugin` in Avalanche's plain strategy."""

    def __init__(self, context: Context, settings: CGaPSettings) -> None:
        reference, example = context.network(), context.stream.example_input
        try:
            self.network = PlasticNetwork(reference, example, seed_ratio=settings.seed_ratio)
            self.plugin = CGaPPlugin(settings.config(context.config.seed, example))
            ceiling(self.network.layout, self.plugin.config)
        except ValueError as error:
            raise UsageError(
                f"cgap cannot grow {context.config.network.name}: {error}"
            ) from error
        self.strategy = context.strategy(self.network, [self.plugin])
        self.extra: dict[str, Any] = {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Growth, pruning and merging, in order."""
        return self.plugin.history

    def learn(self, experience: Any) -> None:
        """Sprout, grow, prune and merge one column."""
        try:
            self.strategy.train(experience)
        except UnreachableTargetError as error:
            raise UsageError(f"cgap: {error}") from error

    def network_for(self, task: int) -> nn.Module | None:
        """The task's subnetwork."""
        return self.network.subnetwork(task)

    def stored_parameters(self) -> int:
        """All merged blocks and heads."""
        return self.network.stored_parameters()


METHODS.add(
    "cgap",
    Method(
        "continual growth and pruning: one column a task",
        CGaPSettings,
        PlasticLearner,
        board=lambda settings: None if settings.price in PRICES else settings.board,
    ),
)
