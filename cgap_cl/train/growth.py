"""GrowthLoop: the life of one column, iteration by iteration, free of any training framework.

loop = GrowthLoop(network, config)
loop.sprout(label, classes)            # then make or adopt the optimizer
loop.start(total_iterations)
for each iteration:
    loss = loop.taught(criterion(network(x, label), y), len(x))
    loss.backward()
    loop.observe()
    optimizer.step()
    loop.advance(optimizer)
loop.finish(optimizer)                 # outstanding pruning, merge
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.weight_counts import executed_widths
from cgap_cl.change import surgery
from cgap_cl.change.optimizer_state import Places, carry, check_supported
from cgap_cl.change.plan import Plan
from cgap_cl.config import CGaPConfig
from cgap_cl.decide.policy import Price
from cgap_cl.decide.price import checked
from cgap_cl.decide.saliency import magnitude, score_units
from cgap_cl.errors import UnreachableTargetError
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.network.recall import Recall
from cgap_cl.train.births import ceiling, check_groups, choose_birth
from cgap_cl.train.followers import Follower, tell, tell_birth
from cgap_cl.train.progress import Peak, Progress
from cgap_cl.train.scores import Scores


class GrowthLoop:
    """Scores -> plan -> surgery -> optimizer, at the iterations that the phases name.

    Args:
        network: the network that grows.
        config: the method's settings.

    Raises:
        ValueError: settings name or count groups that the network does not have.

    Attributes:
        history: what happened to the structure, as plain values.
        progress: where the present experience stands.
        scores: saliency of the column's units, added up since the last change.
        followers: who is told where each weight has gone.

    >>> from cgap_cl import CGaPConfig, PlasticNetwork
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Linear(6, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3)
    ... )
    >>> network = PlasticNetwork(cnn, torch.zeros(2, 6))
    >>> loop = GrowthLoop(network, CGaPConfig(target_price=0.1))
    >>> column = loop.sprout(0, classes=3)
    >>> optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    >>> loop.start(10)
    >>> for _ in range(10):
    ...     loss = network(torch.randn(8, 6), 0).square().mean()
    ...     loop.taught(loss, 8).backward()
    ...     loop.observe()
    ...     optimizer.step()
    ...     plan = loop.advance(optimizer)
    >>> loop.finish(optimizer)  # nothing was outstanding
    False
    >>> sorted({entry["kind"] for entry in loop.history})
    ['grow', 'merge', 'sprout']
    """

    def __init__(self, network: PlasticNetwork, config: CGaPConfig) -> None:
        check_groups(network.layout, config)  # told before training starts
        self.network = network
        self.config = config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.history: list[dict[str, Any]] = []
        self.progress = Progress()
        self.scores = Scores(config.score)
        self.followers: Sequence[Follower] = ()

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
        label = self.column.label
        returns = label is not None and len(self.network.versions(label)) > 1
        widths = ceiling(self.network.layout, self.config, returns=returns)
        return widths | {group: self.column.widths[group] for group in self.progress.shared}

    # -- one experience ----------------------------------------------------------------------

    def sprout(self, label: int, classes: int | Sequence[int]) -> Block:
        """Begin the column of an experience.

        Args:
            label: its task label.
            classes: ids of the experience's classes, or how many: 0, 1, ...
        """
        birth = choose_birth(self.network, label, self.config)
        older = self.network.labels.get(label)
        column = self.network.sprout(label, classes, birth)
        if older is not None:
            tell_birth(self.followers, self.network, older)

        self.progress = Progress(frozenset(birth.share))
        self._follow(column)
        self._note("sprout", ancestor=birth.ancestor)
        return column

    def start(self, total: int) -> None:
        """Fix the iterations of growth and pruning for a training of ``total`` iterations.

        Raises:
            UnreachableTargetError: the first column would be dearer with one unit a layer.
        """
        phases = self.config.phases
        phases.check(total)
        target = self.config.target_price
        self.progress = self.progress.started(phases, total, self._peak(), target)
        self.scores.forget()

        # the first column must not be pruned to nothing in search of a price there is not
        least = self.price(dict.fromkeys(self.column.widths, 1))
        if not self.network.n_merged and least > target:
            raise UnreachableTargetError(target, least)

    def observe(self) -> None:
        """Add up saliency; call it when gradients are there."""
        column = self.column
        if self.scores.column is not column:
            return  # a state was restored: the batch went through layers that nobody watched
        # a batch without rows of the present task leaves no gradients
        learnt = any(parameter.grad is not None for parameter in column.parameters())
        if learnt and self.progress.changes_to_come:
            self.scores.add()

    def taught(self, loss: Tensor, n_rows: int) -> Tensor:
        """The batch's loss, that of recall included; call it before backward.

        Args:
            loss: mean over the rows of the batch.
            n_rows: rows of the batch, those of older tasks included.
        """
        recall = self.network.recall
        return loss if recall is None else recall.added(loss, n_rows)

    def advance(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Count one iteration and grow or prune if it is time; returns what was done."""
        self._catch_up(optimizer)
        self.progress = self.progress.counted()
        if self.progress.growth_is_due:
            return self._grow(optimizer)
        if self.progress.pruning_is_due:
            self.progress = replace(self.progress, pruning=self.progress.pruning[1:])
            return self._prune(optimizer)
        return Plan()

    def finish(self, optimizer: torch.optim.Optimizer) -> bool:
        """Do outstanding pruning at once and merge; returns whether any was outstanding."""
        self._catch_up(optimizer)
        pruned, column = self.progress.pruned, self.column
        undone = bool(pruned) and pruned != column.widths  # by an older state
        outstanding = bool(self.progress.pruning) or undone
        self.progress = replace(self.progress, growth=(), pruning=())
        if outstanding:
            self._prune(optimizer)

        self._follow(None)
        self.network.merge()
        blocks, layout = self.network.all_blocks(), self.network.layout
        self._note("merge", executed=executed_widths(blocks, layout, column.index))
        return outstanding

    def _catch_up(self, optimizer: torch.optim.Optimizer) -> None:
        """Follow the column that is there, after a state of another structure was loaded."""
        gone, column = self.scores.column, self.column
        if gone is not column:
            if self.followers and gone is not None and gone.widths != column.widths:
                raise ValueError(
                    "a state of other widths was restored (EarlyStopping?), to which what is "
                    "kept for each weight cannot go back: leave out one of the two"
                )
            live = self.network.named_live_parameters()
            Places().hand_over(optimizer, gone, column, live)
            self._follow(column)

    def _follow(self, column: Block | None) -> None:
        """Score another column from now on, and hold it to what its label learned before."""
        self.scores.follow(column)
        self.network.recall = None
        if column is not None and column.label is not None and self.config.recall:
            earlier = self.network.versions(column.label)[:-1]
            if earlier:
                self.network.recall = Recall(earlier[-1], self.config.recall)

    # -- what is done to the column ----------------------------------------------------------

    def _grow(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Split units, up to what this event of the phases allows."""
        config = self.config
        progress = replace(self.progress, growth=self.progress.growth[1:])
        plan = Plan()
        if self.scores.fit:  # a restored state may have other widths than were scored
            peak = config.target_price
            if progress.n_pruning or not config.phases.pruning_steps:
                peak *= config.peak_ratio  # else this visit is too short to prune it again
            limit = progress.growth_limit(peak)
            plan = config.growth.plan(self.scores.units, self.limits, self.price, limit)

        self._apply("grow", plan, optimizer)
        self.progress = replace(progress, peak=self._peak())
        return plan

    def _prune(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Prune units, down to what this step of the phases asks for."""
        config, progress, units = self.config, self.progress, self.scores.units
        if not self.scores.fit:  # no gradients since the last change: fall back on magnitudes
            units = score_units(self.column, magnitude)
        target = progress.pruning_target(config.target_price)
        plan = config.pruning.plan(units, progress.peak.widths, self.price, target)

        self._apply("prune", plan, optimizer)
        self.progress = replace(progress, pruned=dict(self.column.widths))
        return plan

    def _apply(self, kind: str, plan: Plan, optimizer: torch.optim.Optimizer) -> None:
        """Do what was planned and note it; another interval of scores begins in any case."""
        self.scores.forget()
        if not plan:
            return
        check_supported(optimizer)  # before anything is changed
        index_map = surgery.apply(self.column, plan, self.config.newborn, self.generator)
        carry(optimizer, index_map)
        tell(self.followers, self.column, index_map)

        changed = {group: len(units) for group, units in (plan.grow or plan.prune).items()}
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

    # -- checkpoints -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, as tensors and plain values; copies, not views.

        It loads with ``torch.load(..., weights_only=True)``.
        """
        return {
            "progress": self.progress.state(),
            "scores": self.scores.state_dict(),
            "history": copy.deepcopy(self.history),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state_dict`; load the network's own state first."""
        self.progress = Progress.restored(saved["progress"])
        self._follow(self.network.column)
        self.scores.load_state_dict(saved["scores"])
        self.history = copy.deepcopy(saved["history"])
        self.generator.set_state(saved["generator"])
