"""Events: what growth and pruning do to a column when it is time for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cgap_cl.blocks.block import Block
from cgap_cl.change import surgery
from cgap_cl.change.optimizer_state import carry, check_supported
from cgap_cl.change.plan import Plan
from cgap_cl.config import CGaPConfig
from cgap_cl.decide.policy import Price
from cgap_cl.decide.price import checked
from cgap_cl.decide.saliency import magnitude, score_units
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.train.births import ceiling, check_groups
from cgap_cl.train.progress import Peak, Progress
from cgap_cl.train.scores import Scores


class Events:
    """Scores -> plan -> surgery -> optimizer, and what is noted of it.

    Args:
        network: the network that grows.
        config: the method's settings.

    Raises:
        ValueError: settings name or count groups that the network does not have.

    Attributes:
        history: what happened to the structure, as plain values.
        progress: where the present experience stands.
        scores: saliency of the column's units, added up since the last change.
    """

    def __init__(self, network: PlasticNetwork, config: CGaPConfig) -> None:
        check_groups(network.layout, config)  # told before training starts
        self.network = network
        self.config = config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.history: list[dict[str, Any]] = []
        self.progress = Progress()
        self.scores = Scores(config.score)

    @property
    def column(self) -> Block:
        """The column that is learning."""
        column = self.network.column
        assert column is not None, "no column: call sprout first"
        return column

    @property
    def price(self) -> Price:
        """Cost of the column's task at given widths, as a share of the reference's.

        Raises:
            TypeError: the setting is a price itself, not what makes one for a network.
        """
        return checked(self.config.price(self.network))

    @property
    def limits(self) -> dict[str, int]:
        """Widths that are never passed; shared groups have all they need."""
        widths = ceiling(self.network.layout, self.config)
        return widths | {group: self.column.widths[group] for group in self.progress.shared}

    def _grow(self, optimizer: torch.optim.Optimizer) -> Plan:
        config, progress = self.config, self.progress
        self.progress = progress = replace(progress, growth=progress.growth[1:])
        plan = Plan()
        if self.scores.fit:  # a restored state may have other widths than were scored
            limit = progress.growth_limit(config.target_price * config.peak_ratio)
            plan = config.growth.plan(self.scores.units, self.limits, self.price, limit)
        self._apply("grow", plan, optimizer)
        self.scores.forget()
        self.progress = replace(progress, peak=self._peak())
        return plan

    def _prune(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Prune units, down to what this step of the phases asks for."""
        config, progress = self.config, self.progress
        units = self.scores.units
        if not self.scores.fit:  # no gradients since the last change: fall back on magnitudes
            units = score_units(self.column, magnitude)

        target = progress.pruning_target(config.target_price)
        plan = config.pruning.plan(units, progress.peak.widths, self.price, target)
        self._apply("prune", plan, optimizer)
        self.scores.forget()
        self.progress = replace(progress, pruned=dict(self.column.widths))
        return plan

    def _apply(self, kind: str, plan: Plan, optimizer: torch.optim.Optimizer) -> None:
        if not plan:
            return
        check_supported(optimizer)  # before anything is changed
        index_map = surgery.apply(self.column, plan, self.config.newborn, self.generator)
        carry(optimizer, index_map)
        units = plan.grow or plan.prune
        changed = {group: len(chosen) for group, chosen in units.items()}
        self._note(kind, changed=changed)

    def _peak(self) -> Peak:
        widths = dict(self.column.widths)
        return Peak(widths, self.price(widths))

    def _note(self, kind: str, **facts: Any) -> None:
        block = self.network.newest
        self.history.append(
            {
                "kind": kind,
                "block": block.index,
                "label": block.label,
                "iteration": self.progress.iteration,
                "widths": dict(block.widths),
                "price": self.price(block.widths),
                **facts,
            }
        )
