"""GrowthLoop: the life of one column, iteration by iteration, free of any training framework.

loop = GrowthLoop(network, config)
loop.sprout(label, n_classes)          # then make or adopt the optimizer
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
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.inheriting import Birth
from cgap_cl.blocks.structure import describe
from cgap_cl.change import optimizer_state as state
from cgap_cl.change import surgery
from cgap_cl.change.directions import record_gradients
from cgap_cl.change.plan import Plan
from cgap_cl.config import CGaPConfig
from cgap_cl.decide.policy import Price, prune_laterals
from cgap_cl.decide.saliency import magnitude, record_activity, score_laterals, score_units
from cgap_cl.decide.watch import Quality, Watch
from cgap_cl.errors import UnreachableTargetError
from cgap_cl.network.head import align
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.network.teacher import Teacher
from cgap_cl.train import loop_state
from cgap_cl.train.births import ceiling, choose_birth


class GrowthLoop:
    """Scores -> plan -> surgery -> optimizer, at the iterations that the phases name.

    Args:
        network: the network that grows.
        config: the method's settings.

    Raises:
        ValueError: a capacity names a group that the network does not have.

    Attributes:
        history: what happened to the structure, as plain values.
        measure: quality of the column on held-out data; None where nothing is held out.
        trial: held-out loss of a column born from a block, for ``Inherit.BEST``.
    """

    def __init__(self, network: PlasticNetwork, config: CGaPConfig) -> None:
        ceiling(network.layout, config)  # an unknown group is told before training starts
        self.network = network
        self.config = config
        self.score = copy.deepcopy(config.score)  # one that draws has a generator of its own
        self.generator = torch.Generator().manual_seed(config.seed)
        self.measure: Callable[[], Quality] | None = None
        self.trial: Callable[[Birth], float] | None = None
        self.history: list[dict[str, Any]] = []
        self.iteration = 0
        self.growth: list[int] = []
        self.pruning: list[int] = []
        self.planned = [0, 0]
        self.start_price = 0.0
        self.peak: dict[str, int] = {}
        self.peak_price = 0.0
        self.pruned: dict[str, Any] = {}  # what the last step left; see _structure
        self.watch = Watch(config.growth_patience, config.pruning_tolerance)
        self.classes: dict[int, set[int]] = {}
        self.new_classes: set[int] = set()
        self.shared: set[str] = set()
        self.scores: dict[str, Tensor] = {}
        self.lateral_scores: dict[tuple[str, int], Tensor] = {}
        self.initial_laterals: dict[tuple[str, int], int] = {}
        self.places = state.Places()
        self._restorations = network.restorations
        self._dead = False  # whether the optimizer holds parameters of before a restoration

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
        price = self.config.price(self.network)
        if not callable(price):
            raise TypeError(
                f"price must take a network and return a function of widths, not {price!r}; "
                "wrap a function of widths in cgap_cl.decide.price.of_widths"
            )
        return price

    # -- one experience ----------------------------------------------------------------------

    def sprout(self, label: int, n_classes: int, classes: Iterable[int] = ()) -> Block:
        """Begin the column of an experience.

        Args:
            label: its task label.
            n_classes: outputs of the head.
            classes: the classes in this experience, for weight alignment.
        """
        self.iteration = 0
        self.network.teacher = None  # of a column that was discarded
        revisited = label in self.network.labels
        birth = choose_birth(self.network, self.config, self.trial)
        column = self.network.sprout(label, n_classes, birth)
        self.shared = set(birth.share)
        self.initial_laterals = {
            (layer.name, source): lateral.n_source
            for layer in column.plastic()
            for source, lateral in layer.sources()
            if source in birth.trunk  # what is read of other blocks is shared, not lateral
            and not (revisited and layer is column.head)  # a revisited head keeps what it reads
        }
        known = self.classes.setdefault(label, set())
        self.new_classes = set(classes) - known
        self._record()
        self._note("sprout", ancestor=birth.ancestor, trunk=list(birth.trunk))
        return column

    def _ceiling(self) -> dict[str, int]:
        """Widths that are never passed; shared groups have all they need."""
        widths = ceiling(self.network.layout, self.config)
        return widths | {group: self.column.widths[group] for group in self.shared}

    def start(self, total: int) -> None:
        """Fix the iterations of growth and pruning for a training of ``total`` iterations.

        Raises:
            UnreachableTargetError: the first column would be dearer with one unit a layer.
        """
        self.iteration = 0
        self.growth = self.config.phases.growth_iterations(total)
        self.pruning = self.config.phases.pruning_iterations(total)
        self.planned = [len(self.growth), len(self.pruning)]
        self.start_price = self.price(self.column.widths)
        self.peak, self.peak_price = dict(self.column.widths), self.start_price
        self.pruned = {}
        self._check_target()
        self.watch.reset()
        self._forget()

    def _check_target(self) -> None:
        """The first column must not be pruned to nothing in search of a price there is not."""
        least = self.price(dict.fromkeys(self.column.widths, 1))
        if not self.network.n_merged and least > self.config.target_price:
            raise UnreachableTargetError(self.config.target_price, least)

    def observe(self) -> None:
        """Add up saliency; call it when gradients are there."""
        restored = self._notice_restoration()
        if restored or not (self.growth or self.pruning):
            return  # the batch went through layers that noted nothing, or nothing is to come
        if all(p.grad is None for p in self.column.parameters()):
            return  # a batch without rows of the present task
        _add(self.scores, score_units(self.column, self.score))
        if not self.growth and self.initial_laterals:
            _add(self.lateral_scores, score_laterals(self.column))

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
        self._notice_restoration()
        if self._dead:
            places = self.places.of(self.network.named_parameters())
            state.adopt(optimizer, self.network.live_parameters(), places)
            self._dead = False
        self.iteration += 1
        if self.growth and self.iteration >= self.growth[0]:
            self.growth.pop(0)
            return self._grow(optimizer)
        if self.pruning and not self.growth and self.iteration >= self.pruning[0]:
            return self._prune_step(optimizer)
        return Plan()

    def finish(self, optimizer: torch.optim.Optimizer) -> bool:
        """Do outstanding pruning at once and merge; returns whether any was outstanding."""
        self._notice_restoration()
        undone = bool(self.pruned) and self.pruned != self._structure()  # by an older state
        outstanding = bool(self.pruning) or undone
        self.growth, self.pruning = [], []
        if outstanding:
            self._prune(optimizer)
        self.network.teacher = None
        label = self.column.label
        if self.config.align_weights:
            align(self.column, self.classes.get(label, set()), self.new_classes)
        self.classes.setdefault(label, set()).update(self.new_classes)
        self._record(False)
        self.network.merge()
        self._note("merge", executed=self.network.executed_widths(label))
        return outstanding

    # -- steps -------------------------------------------------------------------------------

    def _grow(self, optimizer: torch.optim.Optimizer) -> Plan:
        if self.measure is not None and self.watch.plateau(self.measure()):
            self.growth.clear()
            self._note("plateau")
            return Plan()
        plan = Plan()
        if self._fits():
            done = (self.planned[0] - len(self.growth)) / self.planned[0]
            peak = self.config.target_price * self.config.peak_ratio
            limit = self.start_price + max(0.0, peak - self.start_price) * done
            plan = self.config.growth.plan(
                self.scores, self._ceiling(), self.price, limit, self.generator
            )
        self._apply("grow", plan, optimizer)
        self._forget()
        self.peak, self.peak_price = dict(self.column.widths), self.price(self.column.widths)
        return plan

    def _prune_step(self, optimizer: torch.optim.Optimizer) -> Plan:
        if self.measure is not None and self.watch.too_low(self.measure()):
            self.pruning.clear()
            self.pruned = {}
            self._note("tolerance")
            return Plan()
        if self.config.distillation and self.network.teacher is None:
            self.network.teacher = Teacher(self.column, self.config.temperature)
        self.pruning.pop(0)
        return self._prune(optimizer)

    def _prune(self, optimizer: torch.optim.Optimizer) -> Plan:
        """Prune lateral inputs, then units, down to what this step of the phases asks for."""
        scores, laterals = self.scores, self.lateral_scores
        if not self._fits():  # no gradients since the last change: fall back on magnitudes
            scores, laterals = score_units(self.column, magnitude), {}
        laterals = laterals or score_laterals(self.column)
        share = 1 - len(self.pruning) / max(1, self.planned[1])
        keep = 1 - (1 - self.config.lateral_keep) * share
        first = prune_laterals(laterals, keep, self.initial_laterals)
        self._apply("prune", first, optimizer)
        target = self.peak_price + min(0.0, self.config.target_price - self.peak_price) * share
        second = self.config.pruning.plan(scores, self.peak, self.price, target, self.generator)
        self._apply("prune", second, optimizer)
        self._forget()
        self.pruned = self._structure()
        return Plan(prune=second.prune, laterals=first.laterals)

    def _apply(self, kind: str, plan: Plan, optimizer: torch.optim.Optimizer) -> None:
        if plan:
            index_map = surgery.apply(self.column, plan, self.config.newborn, self.generator)
            state.carry(optimizer, index_map, self.network.parameters())
            units = plan.grow or plan.prune
            changed = {group: len(chosen) for group, chosen in units.items()}
            n_laterals = sum(len(gone) for gone in plan.laterals.values())
            self._note(kind, changed=changed, lateral_inputs=n_laterals)

    def _notice_restoration(self) -> bool:
        """Begin scores anew if a state of another structure was loaded; whether one was."""
        if self._restorations == self.network.restorations:
            return False
        self._restorations, self._dead = self.network.restorations, True
        self._forget()
        self._record()
        return True

    def _structure(self) -> dict[str, Any]:
        """Widths and numbers of lateral inputs of the column, as plain values."""
        described = describe(self.column)
        return {key: described[key] for key in ("widths", "laterals")}

    def _fits(self) -> bool:
        """Whether the scores belong to the column as it is; a restored state may differ."""
        widths = {group: len(values) for group, values in self.scores.items()}
        return widths == self.column.widths

    def _record(self, on: bool = True) -> None:
        """Let the column note what the score and the values of newborns need."""
        score, newborn = self.score, self.config.newborn
        record_activity(self.column, on and getattr(score, "needs_activity", False))
        record_gradients(self.column, on and getattr(newborn, "needs_gradients", False))

    def _forget(self) -> None:
        self.scores, self.lateral_scores = {}, {}

    def _note(self, kind: str, **facts: Any) -> None:
        block = self.network.column or self.network.block(self.network.n_merged - 1)
        self.history.append({
            "kind": kind, "block": block.index, "label": block.label,
            "iteration": self.iteration, "widths": dict(block.widths),
            "price": self.price(block.widths), **facts,
        })  # fmt: skip

    # -- checkpoints -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, as tensors and plain values; copies, not views."""
        return loop_state.save(self)

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`state_dict`; load the network's own state first."""
        loop_state.restore(self, saved)
        self._restorations, self._dead = self.network.restorations, False
        if self.network.column is not None:
            self._record()


def _add(total: dict[Any, Tensor], new: Mapping[Any, Tensor]) -> None:
    """Add scores on their device; nothing is read back."""
    for key, values in new.items():
        total[key] = total[key] + values if key in total else values
