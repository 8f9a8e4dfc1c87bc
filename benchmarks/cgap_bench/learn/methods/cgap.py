"""CGaP: a column per experience that grows, is pruned, and is merged into the frozen base."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.context import Context
from cgap_bench.learn.derived_settings import (
    choice_field,
    choice_from,
    config_from,
    name_field,
    part_field,
    settings_model,
)
from cgap_bench.learn.method import ANY_SCENARIO, METHODS, Method
from cgap_bench.learn.methods.rehearse import balanced_replay
from cgap_bench.record.configuration import REFERENCE_METHOD, Settings
from cgap_bench.record.searches import Searched, Spacing
from cgap_bench.shapes.board_price import BoardPrice, Quantity
from cgap_cl import CGaPConfig, CGaPPlugin, PlasticNetwork, UnreachableTargetError
from cgap_cl.change.newborn import NewbornValues, Random, Split
from cgap_cl.decide import price, saliency
from cgap_cl.decide.price import PriceFactory
from cgap_cl.decide.saliency import Score
from cgap_cl.network.head import PADDING
from cgap_cl.train.births import ceiling

# What a recipe names where the library takes a callable; every other setting is the library's.
SCORES: dict[str, Callable[[int], Score]] = {  # each from the run's seed
    "weight-gradient": lambda _seed: saliency.weight_gradient,
    "magnitude": lambda _seed: saliency.magnitude,
    "random": saliency.RandomScore,
}
NEWBORNS: dict[str, Callable[..., NewbornValues]] = {
    "split": Split,
    "random": Random,
}
PRICES: dict[str, PriceFactory] = {
    "macs": price.macs,
    "parameters": price.parameters,
    "balanced": price.balanced,
}
# What a search may set: how fast columns grow and how far, neither what they cost in the end
BETA = Searched(0.2, 1.0, Spacing.LINEAR)
PEAK = Searched(1.0, 3.0, Spacing.LINEAR)
ON_A_BOARD = [quantity.value for quantity in Quantity]


class _Checked(Settings):
    """What the runner adds to the library's settings: a board, a memory, and checks."""

    board: str = "zcu104"
    memory: int = Field(0, ge=0)  # old images in all, as many as new ones in a batch; 0: none

    @model_validator(mode="after")
    def _valid(self) -> Self:
        cgap_config(self, seed=0)
        own: Any = self  # the model that is derived has the library's settings
        default = type(self).model_fields["board"].default
        if own.board != default and own.price not in ON_A_BOARD:
            raise ValueError(
                f"board={self.board} has no effect without price={', '.join(ON_A_BOARD)}"
            )
        return self


def settings_of(config: CGaPConfig) -> type[Settings]:
    """The settings of `cgap_cl` as a recipe can write them, with the defaults of a config."""
    score = next(name for name, make in SCORES.items() if make(0) == config.score)
    priced = next(name for name, factory in PRICES.items() if factory is config.price)
    return settings_model(
        config,
        _Checked,
        score=name_field(SCORES, score),
        price=name_field([*PRICES, *ON_A_BOARD], priced),
        newborn=choice_field(NEWBORNS, config.newborn),
        peak_ratio=(Annotated[float, PEAK], config.peak_ratio),
        growth=part_field(config.growth, beta=(Annotated[float, BETA], config.growth.beta)),
        seed=None,  # the run's
    )


def cgap_config(own: Any, seed: int, example: Tensor | None = None) -> CGaPConfig:
    """Settings as `cgap_cl` takes them.

    Args:
        own: An instance of what `settings_of` gives.
        seed: Of newborns and random choices.
        example: One input (1, ...), which prices on a board need to be traced.
    """
    config: CGaPConfig = config_from(
        CGaPConfig(),
        own,
        score=SCORES[own.score](seed),
        price=_price(own, example),
        newborn=choice_from(NEWBORNS, own.newborn),
        seed=seed,
    )
    return config


def _price(own: Any, example: Tensor | None) -> PriceFactory:
    if own.price in PRICES:
        return PRICES[own.price]
    example = torch.zeros(1) if example is None else example
    return BoardPrice(Quantity(own.price), own.board, example)


class _Plugin(CGaPPlugin, supports_distributed=False):  # type: ignore[call-arg]
    """`CGaPPlugin` for one network."""

    def __init__(self, config: CGaPConfig, network: PlasticNetwork) -> None:
        super().__init__(config)
        self._network = network

    def load_state_dict(
        self, saved: Mapping[str, Any], network: PlasticNetwork | None = None
    ) -> None:
        """The network's own state is loaded before."""
        super().load_state_dict(saved, network or self._network)


class Unlearnt(nn.Module):
    """What a plastic network answers for a task that it has not learnt."""

    def __init__(self, network: PlasticNetwork, task: int) -> None:
        super().__init__()
        self.network, self._task = network, task

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        logits: Tensor = self.network(x, self._task)
        return logits


def by_id(network: nn.Module, head: str, classes: Sequence[int]) -> nn.Module:
    """A network whose output i is the logit of class i, as targets count them.

    Args:
        network: Any; its head is replaced where outputs are counted otherwise.
        head: Name of the head, a linear layer or 1x1 convolution.
        classes: The class of each output, as a head that goes on has met them.
    """
    n, ids = max(classes) + 1, list(classes)
    if ids == list(range(n)):
        return network
    old = network.get_submodule(head)
    assert isinstance(old, (nn.Linear, nn.Conv2d))
    new, weight, bias = copy.copy(old), old.weight.detach(), old.bias
    new._parameters = dict(old._parameters)
    rows = weight.new_zeros(n, *weight.shape[1:])
    rows[ids] = weight
    shift = weight.new_full((n,), PADDING)  # classes that it has not met
    shift[ids] = 0.0 if bias is None else bias.detach()
    new.weight, new.bias = nn.Parameter(rows), nn.Parameter(shift)
    setattr(new, "out_features" if isinstance(old, nn.Linear) else "out_channels", n)
    network.set_submodule(head, new)
    return network


class PlasticLearner:
    """`CGaPPlugin` in Avalanche's plain strategy."""

    STATE = ("extra",)  # all else is the strategy's

    def __init__(self, context: Context, settings: Any) -> None:
        reference, example = context.network(), context.stream.example_input
        try:
            self.network = PlasticNetwork(reference, example, seed_ratio=settings.seed_ratio)
            config = cgap_config(settings, context.config.seed, example)
            self.plugin = _Plugin(config, self.network)
            ceiling(self.network.layout, self.plugin.config)
        except ValueError as error:
            raise UsageError(
                f"cgap cannot grow {context.config.network.name}: {error}"
            ) from error
        replay = balanced_replay(context, settings.memory) if settings.memory else None
        self._memory = replay.memory if replay else None
        beside = [self.plugin, replay] if replay else [self.plugin]
        self.strategy = context.strategy(self.network, beside)
        self.extra: dict[str, Any] = {} if replay is None else {"stored_images": []}

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
        if self._memory is not None:
            self.extra["stored_images"].append(len(self._memory))

    def network_for(self, task: int) -> nn.Module | None:
        """The task's subnetwork; before anything is learnt, the untrained seed column."""
        if not self.network.labels:
            return Unlearnt(self.network, task)
        classes = self.network.block(self.network.labels[task]).classes
        return by_id(self.network.subnetwork(task), self.network.layout.head, classes)

    def stored_parameters(self) -> int:
        """All merged blocks and heads."""
        return self.network.stored_parameters()


METHODS.add(
    REFERENCE_METHOD,
    Method(
        "continual growth and pruning: one column a task",
        settings_of(CGaPConfig()),
        PlasticLearner,
        scenarios=ANY_SCENARIO,
        board=lambda own: own.board if own.price in ON_A_BOARD else None,
    ),
)
