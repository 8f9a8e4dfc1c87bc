"""CGaPConfig: every setting of the method, validated when it is made."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from cgap_cl.change.newborn import DEFAULT_NEWBORN, NewbornValues
from cgap_cl.decide import price, saliency
from cgap_cl.decide.phases import Phases
from cgap_cl.decide.policy import GrowthPolicy, PruningPolicy, check_share
from cgap_cl.decide.price import PriceFactory
from cgap_cl.decide.saliency import Score
from cgap_cl.network.plastic_network import SEED_RATIO


class Inherit(enum.Enum):
    """Where a later column's first weights come from."""

    NEWEST = "newest"  # a copy of the newest block
    NONE = "none"  # fresh weights


class Revisit(enum.Enum):
    """What happens when the task label of an earlier experience returns."""

    NEW_BLOCK = "new block"  # a copy of the label's block goes on; the old one stays a version
    REFUSE = "refuse"  # an error


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


POSITIVE = ("target_price", "seed_ratio")
SHARES = (*POSITIVE, "recall", "shrink", "perturb")
# Settings that are no numbers between 0 and 1: what fits, and what is said of what does not.
KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "score": (callable, "a score, as cgap_cl.decide.saliency.magnitude"),
    "price": (callable, "what makes a price for a network, as cgap_cl.decide.price.macs"),
    "newborn": (
        lambda value: hasattr(value, "incoming") and not isinstance(value, type),
        "values of newborns, as cgap_cl.change.newborn.Split()",
    ),
    "growth": (_is(GrowthPolicy), "a GrowthPolicy"),
    "pruning": (_is(PruningPolicy), "a PruningPolicy"),
    "phases": (_is(Phases), "Phases"),
    "inherit": (_is(Inherit), f"one of {', '.join(map(str, Inherit))}"),
    "revisit": (_is(Revisit), f"one of {', '.join(map(str, Revisit))}"),
    "share_groups": (_whole, "a whole number"),
    "seed": (_whole, "a whole number"),
}


@dataclass(frozen=True)
class CGaPConfig:
    """Settings of continuous growth and pruning; prices are shares of the reference network's.

    Attributes:
        target_price: what one task's inference may cost after pruning, what it reads of older
            blocks included.
        peak_ratio: peak capacity before pruning, as a multiple of ``target_price``.
        seed_ratio: width of a column without ancestor, as a share of the reference's.
        price: what counts as cost; see :mod:`cgap_cl.decide.price`.
        score: saliency of a unit; see :mod:`cgap_cl.decide.saliency`.
        newborn: values of newborn units; see :mod:`cgap_cl.change.newborn`.
        growth: which parents split.
        pruning: which units go.
        phases: when to grow and when to prune.
        inherit: where a later column's weights come from.
        shrink: what is left of each weight that the column of a new label inherits.
        perturb: how much of a fresh weight is added to it (shrink and perturb: Ash and Adams
            2020, "On warm-starting neural network training").
        share_groups: how many of the first groups a later column shares with its ancestor: all
            their units but one are read from it, neither copied nor trained. Only groups
            that convolutions make from the raw input and shared groups alone count, so that
            nothing is computed twice; what a linear layer reads off raw inputs serves one task.
        seed: of the generator that newborns are drawn from.
        recall: weight of the loss by which a label's block teaches its successor the classes
            that it knows, where the label returns; 0: none.
        revisit: what happens when a task label returns, see :class:`Revisit`; class- and
            domain-incremental streams have one label only.

    >>> config = CGaPConfig(target_price=0.1, growth=GrowthPolicy(beta=0.3))
    >>> config.target_price * config.peak_ratio  # grows to this, then is pruned to the target
    0.13999999999999999
    >>> CGaPConfig(target_price=0)
    Traceback (most recent call last):
    ValueError: target_price must be positive, not 0
    """

    target_price: float = 0.2
    peak_ratio: float = 1.4
    seed_ratio: float = SEED_RATIO
    price: PriceFactory = price.macs
    score: Score = saliency.weight_gradient
    newborn: NewbornValues = DEFAULT_NEWBORN
    growth: GrowthPolicy = field(default_factory=GrowthPolicy)
    pruning: PruningPolicy = field(default_factory=PruningPolicy)
    phases: Phases = field(default_factory=Phases)
    inherit: Inherit = Inherit.NEWEST
    shrink: float = 1.0
    perturb: float = 0.0
    share_groups: int = 1
    seed: int = 0
    recall: float = 0.3
    revisit: Revisit = Revisit.NEW_BLOCK

    def __post_init__(self) -> None:
        self._check_kinds()
        for name in POSITIVE:
            value = getattr(self, name)
            if not value > 0:  # also what is not a number
                raise ValueError(f"{name} must be positive, not {value}")
        for name in SHARES:
            check_share(name, getattr(self, name))
        if not self.peak_ratio >= 1:
            raise ValueError(f"peak_ratio must be at least 1, not {self.peak_ratio}")
        if self.share_groups < 0:
            raise ValueError(f"share_groups cannot be negative, not {self.share_groups}")
        if self.inherit is Inherit.NONE and (self.shrink, self.perturb) != (1, 0):
            raise ValueError(
                "inherit is none: shrink and perturb do nothing, leave them at 1 and 0"
            )

    def _check_kinds(self) -> None:
        for name, (fits, wanted) in KINDS.items():
            value = getattr(self, name)
            if not fits(value):
                raise TypeError(f"{name} must be {wanted}, not {value!r}")
