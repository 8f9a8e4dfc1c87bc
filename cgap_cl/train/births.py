"""Which block a column is born from, what it shares with it, and how wide it may become."""

from __future__ import annotations

from typing import Protocol

from cgap_cl.blocks.inheriting import Birth
from cgap_cl.blocks.layout import Layout
from cgap_cl.config import CGaPConfig, Inherit, Revisit
from cgap_cl.decide.saliency import magnitude, score_units
from cgap_cl.decide.watch import Quality
from cgap_cl.errors import unknown
from cgap_cl.network.plastic_network import PlasticNetwork


class Judge(Protocol):
    """Judges columns on data that they are not trained on."""

    def measure(self) -> Quality:
        """Quality of the column as it is."""
        ...

    def trial(self, birth: Birth) -> float:
        """Loss of a column born so, after a short training; lower is better."""
        ...


def ceiling(layout: Layout, config: CGaPConfig, ratio: float = 1.0) -> dict[str, int]:
    """Widths at a share of every group's capacity.

    Raises:
        ValueError: a capacity names a group that the network does not have.
    """
    growth = config.growth
    widths = layout.shaped(ratio * growth.capacity, ratio * growth.linear_capacity)
    for group, share in growth.capacities.items():
        if group not in widths:
            raise ValueError(unknown("group", group, layout.groups))
        widths[group] = max(1, round(ratio * share * layout.widths[group]))
    return widths


def check_groups(layout: Layout, config: CGaPConfig) -> None:
    """Raise ValueError where settings name or count groups that the network does not have."""
    ceiling(layout, config)
    if config.share_groups > len(layout.widths):
        raise ValueError(
            f"share_groups={config.share_groups}, but the network has {len(layout.widths)} "
            f"groups: {', '.join(layout.groups)}"
        )


def choose_birth(
    network: PlasticNetwork, label: int, config: CGaPConfig, judge: Judge | None
) -> Birth:
    """How the next column begins.

    A label that returns goes on from a copy of its own block, head included, whatever
    ``inherit`` says: what one inference costs does not grow with the visits.

    Args:
        network: what is there.
        label: the task label of the experience.
        config: the method's settings.
        judge: tries births for ``Inherit.BEST``; without one the newest block is taken.

    Raises:
        ValueError: the label returns, and the settings refuse that.
    """
    if label in network.labels:
        if config.revisit is Revisit.REFUSE:
            raise ValueError(
                f"task {label} was an experience before, and revisit is 'refuse': give every "
                "experience a task label of its own, or set Revisit.NEW_BLOCK, by which the "
                "task goes on learning in a copy of its block"
            )
        return Birth(ancestor=network.labels[label])
    n, inherit = network.n_merged, config.inherit
    if not n or inherit is Inherit.NONE:
        first = None if n else config.first_seed_ratio
        ratio = config.seed_ratio if first is None else first
        return Birth(ceiling(network.layout, config, ratio))

    if inherit is Inherit.FIRST:
        return _from_ancestor(network, config, 0)
    if inherit is Inherit.BEST and judge is not None:
        newest_first = reversed(range(n))  # of equal trials the newest counts
        births = [_from_ancestor(network, config, index) for index in newest_first]
        return min(births, key=judge.trial)
    return _from_ancestor(network, config, n - 1)


def _from_ancestor(network: PlasticNetwork, config: CGaPConfig, index: int) -> Birth:
    """A column that shares all but the heaviest unit of each leading group."""
    ancestor = network.block(index)
    weights = score_units(ancestor, magnitude)
    share = {}
    for group in network.layout.leading(config.share_groups):
        heaviest = int(weights[group].argmax())
        share[group] = [unit for unit in range(ancestor.widths[group]) if unit != heaviest]
    return Birth(None, index, share)
