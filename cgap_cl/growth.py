"""GrowthLoop: the life of one column, iteration by iteration, free of any training framework.

loop = GrowthLoop(network, config)
loop.sprout(label, n_classes)          # then make or adopt the optimizer
loop.start(total_iterations)
for each iteration: forward, backward; loop.observe(); optimizer.step(); loop.advance(optimizer)
loop.finish(optimizer)                 # outstanding pruning, merge
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cgap_cl import optimizer as state
from cgap_cl import surgery
from cgap_cl.column import Block
from cgap_cl.config import CGaPConfig, Inherit
from cgap_cl.network import Birth, PlasticNetwork
from cgap_cl.plan import Plan
from cgap_cl.policy import Price, prune_laterals
from cgap_cl.saliency import score_laterals, score_units


class GrowthLoop:
    """Scores -> plan -> surgery -> optimizer, at the iterations that the schedule names.

    Args:
        network: the network that grows.
        config: the method's settings.
    """

    def __init__(self, network: PlasticNetwork, config: CGaPConfig) -> None:
        self.network = network
        self.config = config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.history: list[dict[str, Any]] = []
        self.iteration = 0
        self.growth: list[int] = []
        self.pruning: list[int] = []
        self._scores: dict[str, Tensor] = {}
        self._laterals: dict[tuple[str, int], Tensor] = {}
        self._peak: dict[str, int] = {}
        self._peak_price = 0.0
        self._initial_laterals: dict[tuple[str, int], int] = {}

    @property
    def column(self) -> Block:
        """The column that is learning."""
        column = self.network.column
        assert column is not None, "no column: call sprout first"
        return column

    @property
    def price(self) -> Price:
        """Cost of the column's task at given widths, as a share of the reference's."""
        return self.config.price(self.network)

    def sprout(self, label: int, n_classes: int) -> Block:
        """Begin the column of an experience."""
        network, config = self.network, self.config
        trunk = tuple(range(min(config.trunk_blocks, network.n_merged)))
        parent: int | None = None
        if network.n_merged and config.inherit is not Inherit.NONE:
            parent = 0 if config.inherit is Inherit.FIRST else network.n_merged - 1
        widths = None if parent is not None else self._ceiling(config.seed_ratio)
        column = network.sprout(label, n_classes, Birth(widths, parent, trunk))
        self._initial_laterals = {
            (layer.name, source): len(lateral.index)
            for layer in column.plastic()
            for source, lateral in layer.sources()
        }
        self._note("sprout", label=label, parent=parent, trunk=list(trunk))
        return column

    def _ceiling(self, ratio: float = 1.0) -> dict[str, int]:
        """Widths at a share of every group's capacity."""
        growth = self.config.growth
        return self.network.layout.shaped(ratio * growth.capacity, ratio * growth.linear_capacity)

    def start(self, total: int) -> None:
        """Fix the iterations of growth and pruning for a training of ``total`` iterations."""
        self.iteration = 0
        self.growth = self.config.schedule.growth_iterations(total)
        self.pruning = self.config.schedule.pruning_iterations(total)
        self._start_price = self.price(self.column.widths)
        self._planned = len(self.growth), len(self.pruning)
        self._peak, self._peak_price = dict(self.column.widths), self._start_price
        self._forget()

    def observe(self) -> None:
        """Add up saliency; call it when gradients are there."""
        if not self.growth and not self.pruning:
            return
        if all(p.grad is None for p in self.column.parameters()):
            return  # a batch without rows of the present task
        _add(self._scores, score_units(self.column, self.config.score))
        if not self.growth:
            _add(self._laterals, score_laterals(self.column))

    def advance(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Count one iteration and grow or prune if it is time; returns what was done."""
        self.iteration += 1
        if self.growth and self.iteration >= self.growth[0]:
            self.growth.pop(0)
            return self._grow(optimizer)
        if self.pruning and not self.growth and self.iteration >= self.pruning[0]:
            self.pruning.pop(0)
            return self._prune(optimizer, self._target(self._planned[1] - len(self.pruning)))
        return Plan()

    def finish(self, optimizer: torch.optim.Optimizer) -> bool:
        """Do outstanding pruning at once and merge; returns whether any was outstanding."""
        outstanding = bool(self.pruning)
        self.growth, self.pruning = [], []
        if outstanding and self._scores:
            self._prune(optimizer, self._target(self._planned[1]))
        self.network.merge()
        self._note("merge")
        return outstanding

    # -- steps ---------------------------------------------------------------------------------------------------

    def _grow(self, optimizer: torch.optim.Optimizer) -> Plan:
        done = (self._planned[0] - len(self.growth)) / self._planned[0]
        peak = self.config.target_price * self.config.peak_ratio
        limit = self._start_price + max(0.0, peak - self._start_price) * done
        plan = Plan()
        if self._scores:
            ceiling = self._ceiling()
            plan = self.config.growth.plan(
                self._scores, ceiling, self.price, limit, self.generator
            )
        self._apply("grow", plan, optimizer)
        self._peak, self._peak_price = dict(self.column.widths), self.price(self.column.widths)
        return plan

    def _target(self, step: int) -> float:
        """Price to reach at the given pruning step (1-based), falling linearly from peak to target."""
        share = step / max(1, self._planned[1])
        return self._peak_price + min(0.0, self.config.target_price - self._peak_price) * share

    def _prune(self, optimizer: torch.optim.Optimizer, target: float) -> Plan:
        if self._laterals:
            share = 1 - (1 - self.config.lateral_keep) * (
                1 - len(self.pruning) / max(1, self._planned[1])
            )
            self._apply(
                "prune",
                prune_laterals(self._laterals, share, self._initial_laterals),
                optimizer,
            )
        plan = Plan()
        if self._scores:
            plan = self.config.pruning.plan(
                self._scores, self._peak, self.price, target, self.generator
            )
        self._apply("prune", plan, optimizer)
        return plan

    def _apply(self, kind: str, plan: Plan, optimizer: torch.optim.Optimizer) -> None:
        if plan:
            index_map = surgery.apply(
                self.column, plan, self.config.initialiser, self.generator
            )
            state.carry(optimizer, index_map, self.network.parameters())
            self._note(
                kind, changed={g: len(units) for g, units in (plan.grow or plan.prune).items()}
            )
        self._forget()

    def _forget(self) -> None:
        self._scores, self._laterals = {}, {}

    def _note(self, kind: str, **facts: Any) -> None:
        block = self.network.column or self.network.block(self.network.n_merged - 1)
        self.history.append({
            "kind": kind, "block": block.index, "label": block.label, "iteration": self.iteration,
            "widths": dict(block.widths), "price": self.price(block.widths), **facts,
        })  # fmt: skip


def _add(total: dict[Any, Tensor], new: Mapping[Any, Tensor]) -> None:
    """Add scores in place, on their device; nothing is read back."""
    for key, values in new.items():
        total[key] = total[key] + values if key in total else values
