"""Which block a column is born from, what it shares with it, and how wide it may become."""

from __future__ import annotations

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.inheriting import Birth
from cgap_cl.blocks.layout import Layout
from cgap_cl.config import CGaPConfig, Inherit, Revisit
from cgap_cl.decide.price import checked
from cgap_cl.decide.saliency import magnitude, score_units
from cgap_cl.errors import unknown
from cgap_cl.network.plastic_network import PlasticNetwork


def ceiling(
    layout: Layout, config: CGaPConfig, ratio: float = 1.0, returns: bool = False
) -> dict[str, int]:
    """Widths at a share of every group's capacity.

    Args:
        layout: of the network.
        config: the method's settings.
        ratio: the share.
        returns: whether the column goes on with a label that was trained before.

    Raises:
        ValueError: a capacity names a group that the network does not have.
    """
    growth = config.growth
    linear = growth.returning_capacity if returns else growth.linear_capacity
    widths = layout.shaped(ratio * growth.capacity, ratio * linear)
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


def choose_birth(network: PlasticNetwork, label: int, config: CGaPConfig) -> Birth:
    """How the next column begins.

    A label that returns goes on from a copy of its own block, head included, whatever
    ``inherit`` says: what one inference costs does not grow with the visits.

    Args:
        network: what is there.
        label: the task label of the experience.
        config: the method's settings.

    Raises:
        ValueError: the label returns, and the settings refuse that.
    """
    if label in network.labels:
        if config.revisit is Revisit.REFUSE:
            raise ValueError(
                f"task {label} was an experience before, and revisit is 'refuse': give every"
                " experience a task label of its own, or set Revisit.NEW_BLOCK, by which the"
                " task goes on learning in a copy of its block"
            )
        return Birth(ancestor=network.labels[label])

    n = network.n_merged
    if not n or config.inherit is Inherit.NONE:
        if not n and network.reference.given is not None:
            return Birth(given=_most_salient(network, network.reference.given, config))
        return Birth(ceiling(network.layout, config, config.seed_ratio))

    # it shares all but the heaviest unit of each leading group: one must be its own
    ancestor = network.block(n - 1)
    weights = score_units(ancestor, magnitude)
    share = {}
    for group in network.layout.leading(config.share_groups):
        heaviest = int(weights[group].argmax())
        share[group] = [unit for unit in range(ancestor.widths[group]) if unit != heaviest]
    return Birth(None, n - 1, share, shrink=config.shrink, perturb=config.perturb)


def _most_salient(
    network: PlasticNetwork, given: Block, config: CGaPConfig
) -> dict[str, list[int]]:
    """Units of the pretrained network at peak price: what pruning by magnitude leaves of it."""
    scores, room = score_units(given, magnitude), ceiling(network.layout, config)
    heaviest = {
        g: s.argsort(descending=True, stable=True)[: room[g]] for g, s in scores.items()
    }
    allowed = {group: units.sort().values for group, units in heaviest.items()}
    plan = config.pruning.plan(
        {group: scores[group][units] for group, units in allowed.items()},
        dict.fromkeys(allowed, 1),  # no floor but the last unit
        checked(config.price(network)),
        config.target_price * config.peak_ratio,
    )
    gone = {group: set(places) for group, places in plan.prune.items()}
    return {
        group: [u for place, u in enumerate(units.tolist()) if place not in gone.get(group, ())]
        for group, units in allowed.items()
    }
