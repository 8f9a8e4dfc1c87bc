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
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.structure import describe
from cgap_cl.blocks.weight_counts import executed_widths
from cgap_cl.change import surgery
from cgap_cl.change.optimizer_state import Places, adopt, carry, check_supported
from cgap_cl.change.plan import Plan
from cgap_cl.config import CGaPConfig
from cgap_cl.decide.policy import Price, prune_laterals
from cgap_cl.decide.price import checked
from cgap_cl.decide.saliency import magnitude, score_laterals, score_units
from cgap_cl.errors import UnreachableTargetError
from cgap_cl.network.head import align, class_ids
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.network.teacher import Teacher
from cgap_cl.train.births import Judge, ceiling, check_groups, choose_birth, trunk_laterals
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
        classes: task label -> classes that it had in the experiences so far.
        judge: judges the column on held-out data; None where nothing is held out.

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
        self.judge: Judge | None = None
        self.history: list[dict[str, Any]] = []
        self.classes: dict[int, frozenset[int]] = {}
        self.progress = Progress()
        self.scores = Scores(config.score, config.newborn)

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

    # -- one experience ----------------------------------------------------------------------

    def sprout(self, label: int, classes: int | Sequence[int]) -> Block:
        """Begin the column of an experience.

        Args:
            label: its task label.
            classes: ids of the experience's classes, or how many: 0, 1, ...

        Raises:
            ValueError: the label returns, and the settings refuse that.
        """
        self.network.teacher = None  # of a column that was discarded
        revisited = label in self.network.labels
        birth = choose_birth(self.network, label, self.config, self.judge)
        column = self.network.sprout(label, classes, birth)

        laterals = trunk_laterals(column, birth, without_head=revisited)
        new = frozenset(class_ids(classes)) - self.classes.get(label, frozenset())
        self.progress = Progress(frozenset(birth.share), laterals, new)
        self.scores.follow(column)
        self._note("sprout", ancestor=birth.ancestor, trunk=list(birth.trunk))
        return column

    def start(self, total: int) -> None:
        """Fix the iterations of growth and pruning for a training of ``total`` iterations.

        Raises:
            UnreachableTargetError: the first column would be dearer with one unit a layer.
        """
        phases = self.config.phases
        if total < phases.least_iterations:
            warnings.warn(
                f"{total} iterations are too few for {phases.growth_events} growth events and "
                f"{phases.pruning_steps} pruning steps: some fall together, with no training "
                f"between; {phases.least_iterations} are needed (more epochs, smaller batches)",
                stacklevel=2,
            )
        self.progress = self.progress.started(phases, total, self._peak())
        self.scores.forget()
        # the first column must not be pruned to nothing in search of a price there is not
        least = self.price(dict.fromkeys(self.column.widths, 1))
        if not self.network.n_merged and least > self.config.target_price:
            raise UnreachableTargetError(self.config.target_price, least)

    def observe(self) -> None:
        """Add up saliency; call it when gradients are there."""
        progress, column = self.progress, self.column
        if self.scores.column is not column:
            return  # a state was restored: the batch went through layers that nobody watched
        if not progress.changes_to_come or all(p.grad is None for p in column.parameters()):
            return  # a batch without rows of the present task leaves no gradients
        self.scores.add(laterals=bool(not progress.growth and progress.initial_laterals))

    def taught(self, loss: Tensor, n_rows: int) -> Tensor:
        """The batch's loss, the teacher's part of it included; call it before backward.

        Args:
            loss: mean over the rows of the batch.
            n_rows: rows of the batch, those of older tasks included.
        """
        teacher, weight = self.network.teacher, self.config.distillation
        distilled = None if teacher is None else teacher.take()
        if distilled is None:
            return loss
        return (1 - weight) * loss + weight * distilled / n_rows

    def advance(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Count one iteration and grow or prune if it is time; returns what was done."""
        self._catch_up(optimizer)
        self.progress = self.progress.counted()
        if self.progress.growth_is_due:
            return self._grow(optimizer)
        if self.progress.pruning_is_due:
            return self._prune_step(optimizer)
        return Plan()

    def finish(self, optimizer: torch.optim.Optimizer) -> bool:
        """Do outstanding pruning at once and merge; returns whether any was outstanding."""
        self._catch_up(optimizer)
        pruned, column = self.progress.pruned, self.column
        undone = bool(pruned) and pruned != self._structure()  # by an older state
        outstanding = bool(self.progress.pruning) or undone
        self.progress = replace(self.progress, growth=(), pruning=())
        if outstanding:
            self._prune(optimizer)
        self.network.teacher = None

        label = column.label
        assert label is not None, "no column: call sprout first"
        known, new = self.classes.get(label, frozenset()), self.progress.new_classes
        if self.config.align_weights:
            align(column, known, new)
        self.classes[label] = known | new

        self.scores.follow(None)
        self.network.merge()
        blocks, layout = self.network.all_blocks(), self.network.layout
        self._note("merge", executed=executed_widths(blocks, layout, column.index))
        return outstanding

    # -- steps -------------------------------------------------------------------------------

    def _grow(self, optimizer: torch.optim.Optimizer) -> Plan:
        config, progress = self.config, self.progress
        self.progress = progress = replace(progress, growth=progress.growth[1:])
        if self.judge is not None:
            watch = progress.watch.grown(self.judge.measure())
            self.progress = progress = replace(progress, watch=watch)
            if watch.plateau(config.growth_patience):
                self.progress = replace(progress, growth=())
                self._note("plateau")
                return Plan()

        plan = Plan()
        if self.scores.fit:  # a restored state may have other widths than were scored
            limit = progress.growth_limit(config.target_price * config.peak_ratio)
            plan = config.growth.plan(
                self.scores.units, self.limits, self.price, limit, self.generator
            )
        self._apply("grow", plan, optimizer)
        self.scores.forget()
        self.progress = replace(progress, peak=self._peak())
        return plan

    def _prune_step(self, optimizer: torch.optim.Optimizer) -> Plan:
        config, progress = self.config, self.progress
        if self.judge is not None:
            quality = self.judge.measure()
            watch = progress.watch.pruned(quality)
            self.progress = progress = replace(progress, watch=watch)
            if watch.too_low(quality, config.pruning_tolerance):
                self.progress = replace(progress, pruning=(), pruned={})
                self._note("tolerance")
                return Plan()

        if config.distillation and self.network.teacher is None:
            self._teach(describe(self.column), self.column.index, self.column.state_dict())
        self.progress = replace(progress, pruning=progress.pruning[1:])
        return self._prune(optimizer)

    def _prune(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Prune lateral inputs, then units, down to what this step of the phases asks for."""
        config, progress, column = self.config, self.progress, self.column
        units, laterals = self.scores.units, self.scores.laterals
        if not self.scores.fit:  # no gradients since the last change: fall back on magnitudes
            units, laterals = score_units(column, magnitude), {}
        laterals = laterals or score_laterals(column)

        keep = 1 - (1 - config.lateral_keep) * progress.pruned_share
        first = prune_laterals(laterals, keep, progress.initial_laterals)
        self._apply("prune", first, optimizer)

        target = progress.pruning_target(config.target_price)
        second = config.pruning.plan(
            units, progress.peak.widths, self.price, target, self.generator
        )
        self._apply("prune", second, optimizer)

        self.scores.forget()
        self.progress = replace(progress, pruned=self._structure())
        return Plan(prune=second.prune, laterals=first.laterals)

    def _apply(self, kind: str, plan: Plan, optimizer: torch.optim.Optimizer) -> None:
        if not plan:
            return
        check_supported(optimizer)  # before anything is changed
        newborn, batch = self.config.newborn, self.scores.batch
        index_map = surgery.apply(self.column, plan, newborn, self.generator, batch)
        carry(optimizer, index_map, self.network.parameters())
        self.scores.changed()

        units = plan.grow or plan.prune
        changed = {group: len(chosen) for group, chosen in units.items()}
        n_laterals = sum(len(gone) for gone in plan.laterals.values())
        self._note(kind, changed=changed, lateral_inputs=n_laterals)

    def _catch_up(self, optimizer: torch.optim.Optimizer) -> None:
        """Follow the column that is there, after a state of another structure was loaded."""
        gone, column = self.scores.column, self.column
        if gone is column:
            return
        places = Places()  # the optimizer still holds the parameters of the column that is gone
        if gone is not None:
            places.learn(optimizer, gone.named_parameters())
        homes = places.of(column.named_parameters())
        adopt(optimizer, self.network.named_live_parameters(), homes)
        self.scores.follow(column)

    def _teach(self, described: Mapping[str, Any], index: int, values: Any) -> None:
        """Let a block of this description and these values teach the column."""
        block = self.network.build(described, index)
        block.load_state_dict(values)
        self.network.teacher = Teacher(block, self.config.temperature)

    def _peak(self) -> Peak:
        widths = dict(self.column.widths)
        return Peak(widths, self.price(widths))

    def _structure(self) -> dict[str, Any]:
        """Widths and numbers of lateral inputs of the column, as plain values."""
        described = describe(self.column)
        return {key: described[key] for key in ("widths", "laterals")}

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
        teacher = self.network.teacher
        return {
            "progress": self.progress.state(),
            "scores": self.scores.state_dict(),
            "history": copy.deepcopy(self.history),
            "classes": [[label, sorted(known)] for label, known in self.classes.items()],
            "generator": self.generator.get_state(),
            "teacher": None if teacher is None else teacher.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state_dict`; load the network's own state first."""
        self.progress = Progress.restored(saved["progress"])
        self.scores.follow(self.network.column)
        self.scores.load_state_dict(saved["scores"])
        self.history = copy.deepcopy(saved["history"])
        self.classes = {label: frozenset(known) for label, known in saved["classes"]}
        self.generator.set_state(saved["generator"])
        self.network.teacher = None
        if saved["teacher"] is not None:
            taught = saved["teacher"]
            self._teach(taught["block"], taught["index"], taught["values"])
