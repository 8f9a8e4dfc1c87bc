"""What growth and pruning have to be better than: fixed networks of every size that it has."""

from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin

from cgap_bench.errors import UsageError
from cgap_bench.learn.budget import width_for_training
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import (
    ANY_SCENARIO,
    METHODS,
    NEEDS_TASK,
    TASK_ONLY,
    Method,
    NoSettings,
)
from cgap_bench.learn.methods.cgap import PlasticLearner, settings_of
from cgap_bench.learn.methods.fixed import SharedNetwork, narrowed
from cgap_bench.learn.methods.own_networks import OWN_NETWORK
from cgap_bench.learn.methods.separate import SeparateNetworks, Warm
from cgap_bench.learn.methods.shaped import shaped_network
from cgap_bench.learn.sizes import n_parameters, width_for
from cgap_bench.learn.streams import joint_experience
from cgap_bench.record.configuration import Scenario
from cgap_cl import CGaPConfig, GrowthPolicy, Inherit, Phases


class CumulativeNetwork(SharedNetwork):
    """Goes on with all images so far in every experience: the price of keeping everything."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, rehearses=True)
        self._stream = context.stream

    def learn(self, experience: Any) -> None:
        """Train on the images of this experience and all before."""
        self._learnt = []
        super().learn(joint_experience(self._stream, experience.current_experience + 1))


class FrozenBackbone(SupervisedPlugin):  # type: ignore[misc]
    """Only heads train after the first experience; statistics of batch norms stay too."""

    STATE = ()

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Freeze the weights."""
        if strategy.experience.current_experience > 0:
            strategy.model.backbone.requires_grad_(False)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Freeze the statistics, whoever has put the model into training mode."""
        if strategy.experience.current_experience > 0:
            strategy.model.backbone.eval()


def _frozen(context: Context, _settings: NoSettings) -> SharedNetwork:
    return SharedNetwork(context, plugins=[FrozenBackbone()])


def _independent_full(context: Context, _settings: NoSettings) -> SeparateNetworks:
    return SeparateNetworks(context, lambda _task: context.network(), warm=None)


def _independent_stored(context: Context, _settings: NoSettings) -> SeparateNetworks:
    """All of them together store as many parameters as CGaP."""
    share = context.target_stored / context.stream.n_experiences
    with torch.random.fork_rng(devices=[]):
        width = width_for(share, lambda width: n_parameters(context.network(width)))
    learner = SeparateNetworks(context, lambda _task: context.network(width), warm=None)
    learner.extra["width"] = width
    return learner


def _even_warm(context: Context, _settings: NoSettings) -> SeparateNetworks:
    """Each task at its own MACs, not at their mean."""

    def width(task: int) -> float:
        with torch.random.fork_rng(devices=[]):
            macs = context.macs(shaped_network(context, task))
        return context.width_for_macs(macs)

    widths = [width(task) for task in range(context.stream.n_experiences)]
    learner = SeparateNetworks(context, lambda task: context.network(widths[task]), Warm())
    learner.extra["widths"] = widths
    return learner


def _fixed_peak(context: Context, _settings: NoSettings) -> SharedNetwork:
    """The reference network narrowed to a share of its MACs.

    Raises:
        UsageError: The CGaP run did not count MACs.
    """
    share = context.target_peak
    if share is None:
        raise UsageError("fixed-peak is sized by MACs of training: run cgap with price=macs")
    with torch.random.fork_rng(devices=[]):
        macs = context.macs(context.network())
    return narrowed(context, context.width_for_macs(share * macs))


def _fixed_compute(context: Context, _settings: NoSettings) -> SharedNetwork:
    return narrowed(context, width_for_training(context))


def pruned_only(target_price: float) -> CGaPConfig:
    """CGaP's own pruning from full width, with no growth and nothing inherited."""
    return CGaPConfig(
        target_price=target_price,
        peak_ratio=max(1.0, 1 / target_price),
        seed_ratio=1.0,
        growth=GrowthPolicy(capacity=1.0, linear_capacity=1.0),
        phases=Phases(growth_events=0),
        inherit=Inherit.NONE,
        share_groups=0,
    )


def _fixed_pruned(context: Context, _settings: NoSettings) -> PlasticLearner:
    """Its target is the mean of CGaP's prices, whose unit is the reference network."""
    assert context.target_macs is not None
    with torch.random.fork_rng(devices=[]):
        macs = context.macs(context.network())
    config = pruned_only(min(1.0, context.target_macs / macs))
    return PlasticLearner(context, settings_of(config)())


def _add(
    name: str,
    summary: str,
    build: Any,
    sized: bool = True,
    scenarios: frozenset[Scenario] = TASK_ONLY,
    reason: str = OWN_NETWORK,
) -> None:
    method = Method(summary, NoSettings, build, sized, scenarios, why_no_other=reason)
    METHODS.add(name, method)


_add(
    "cumulative",
    "the reference network trained on all images so far in every experience",
    lambda context, _settings: CumulativeNetwork(context),
    sized=False,
    scenarios=ANY_SCENARIO,
    reason="",
)
_add(
    "frozen",
    "the first task's network, later ones train heads only",
    _frozen,
    sized=False,
    reason=f"later tasks learn nothing but heads of their own, {NEEDS_TASK}",
)
_add(
    "independent-full",
    "one reference network a task, at full width",
    _independent_full,
    sized=False,
)
_add(
    "independent-stored",
    "one network a task, together as many parameters as CGaP",
    _independent_stored,
)
_add(
    "even-warm",
    "one network a task at that task's MACs of CGaP, started from the one before",
    _even_warm,
)
_add(
    "fixed-peak",
    "plain fine-tuning at the MACs of CGaP's peak",
    _fixed_peak,
    scenarios=ANY_SCENARIO,
    reason="",
)
_add(
    "fixed-compute",
    "plain fine-tuning at the MACs of CGaP's training",
    _fixed_compute,
    scenarios=ANY_SCENARIO,
    reason="",
)
_add("fixed-pruned", "one full network a task, pruned to CGaP's MACs", _fixed_pruned)
