"""PlasticNetwork: frozen blocks of the past, the column that learns, a head per task label."""

from __future__ import annotations

import copy
import enum

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from cgap_cl.blocks import composing as compose
from cgap_cl.blocks.block import Block, Taps, frozen_norms
from cgap_cl.blocks.layout import Kind
from cgap_cl.errors import unknown
from cgap_cl.network.lineage import SEED, Lineage
from cgap_cl.network.teacher import Teacher

PADDING = -1e4  # logit of a class that a task's head lacks, in a batch of several tasks


class Unlabelled(enum.Enum):
    """What :meth:`PlasticNetwork.forward` gives where no task label is given."""

    ONLY_HEAD = "only head"  # the logits of the only head; an error if there are several
    ALL_HEADS = "all heads"  # Avalanche's convention: a dict, task label -> logits


class PlasticNetwork(Lineage, MultiTaskModule):  # type: ignore[misc]
    """A network that grows a column per experience and never changes what it has merged.

    Args:
        module: the reference network, a CNN or MLP whose layers between conv and linear ones
            act per channel. It is copied, never trained.
        example_input: one batch for tracing, ``(N, C, H, W)`` or ``(N, features)``.
        head: name of the head; by default the last linear layer or 1x1 convolution.
        seed_ratio: width of a column that is sprouted without a birth, the seed column before
            the first experience included, as a share of the reference's; the plugin's columns
            follow :class:`~cgap_cl.config.CGaPConfig`.

    Attributes:
        n_outputs: in evaluation, logits have at least so many columns; those of classes that a
            task's head does not know (yet) are ``PADDING``.

    Raises:
        UnsupportedNetworkError: a layer cannot grow; names it and the reason.
    """

    def __init__(
        self,
        module: nn.Module,
        example_input: Tensor,
        head: str | None = None,
        seed_ratio: float = 0.25,
    ) -> None:
        super().__init__(module, example_input, head, seed_ratio)
        self.unlabelled = Unlabelled.ONLY_HEAD
        self.teacher: Teacher | None = None
        self.n_outputs = 0

    # -- forward -----------------------------------------------------------------------------

    def train(self, mode: bool = True) -> PlasticNetwork:
        """Train or eval mode for the column; merged blocks always stay in eval mode."""
        super().train(mode)
        for index in range(self.n_merged):
            self.block(index).eval()
        return self

    def adaptation(self, experience: object = None) -> None:
        """Avalanche's hook; does nothing: structure changes by :meth:`sprout` and plans."""

    def forward(
        self, x: Tensor, task_labels: int | Tensor | None = None
    ) -> Tensor | dict[int, Tensor]:
        """Logits.

        A batch with a single row of the present task is normalised, where a layer has one value
        per channel, by running statistics: one value has no spread.

        Args:
            x: a batch, ``(N, ...)``.
            task_labels: one label, one per row ``(N,)``, or None (see :class:`Unlabelled`).

        Returns:
            ``(N, classes)``; in a batch of several tasks, classes that a task's head lacks
            are ``PADDING``.

        Raises:
            ValueError: no label given and several heads to choose from, or a negative one.
        """
        if task_labels is None and self.unlabelled is Unlabelled.ALL_HEADS:
            return {k: self._finished(self._one_task(x, k)) for k in sorted(self.labels)}
        labels = self._labels(x, task_labels)
        if len(labels) == 1:
            return self._finished(self._one_task(x, labels[0]))
        assert isinstance(task_labels, Tensor)
        rows = {label: (task_labels == label).nonzero().flatten() for label in labels}
        parts = [self._one_task(x[index.to(x.device)], label) for label, index in rows.items()]
        width = max(part.shape[1] for part in parts)
        padded = [_widened(part, width) for part in parts]
        order = torch.cat(list(rows.values())).argsort().to(x.device)
        return self._finished(torch.cat(padded).index_select(0, order))

    def _labels(self, x: Tensor, task_labels: int | Tensor | None) -> list[int]:
        known = sorted(self.labels) or [SEED]
        if isinstance(task_labels, Tensor) and task_labels.dim():
            if len(task_labels) != len(x):
                raise ValueError(f"{len(task_labels)} task labels for a batch of {len(x)}")
            return [int(label) for label in task_labels.unique().tolist()] or known[:1]
        if task_labels is not None:
            return [int(task_labels)]
        if len(known) > 1:
            raise ValueError(
                f"give task_labels (or use subnetwork(task)): there are heads for tasks {known}"
            )
        return known

    def _finished(self, logits: Tensor) -> Tensor:
        """In evaluation as wide as asked for.

        A training batch without rows of the present task can run backward, to no effect.
        """
        if not self.training:
            return _widened(logits, self.n_outputs)
        if torch.is_grad_enabled() and not logits.requires_grad:
            return logits + torch.zeros((), device=logits.device, requires_grad=True)
        return logits

    def _one_task(self, x: Tensor, label: int) -> Tensor:
        if label < SEED:
            raise ValueError(f"task labels are 0 or more, not {label}")
        column = self.column
        own = column.label if column is not None else None
        if column is not None and label == own:
            return self._through_column(x, column)
        with torch.no_grad():
            module = self._composed(label) if label in self.labels else self._untrained(label)
            logits: Tensor = module(x)
        return logits

    def _through_column(self, x: Tensor, column: Block) -> Tensor:
        """The elders it reads without gradients, then the column."""
        taps: Taps = {}
        with torch.no_grad():
            for index in self._elders(column):
                self.block(index).run(x, taps)
        if not self.training or len(x) > 1:
            logits = column.run(x, taps)
            if self.teacher is not None and self.training and torch.is_grad_enabled():
                self.teacher.teach(x, taps, logits)
            return logits
        names = [
            layer.name for layer in self.layout.layers
            if layer.kind is Kind.NORM and self.positions[layer.name] == 1
        ]  # fmt: skip
        with frozen_norms(column, names):
            return column.run(x, taps)

    def _elders(self, column: Block) -> list[int]:
        """Blocks that must run before the column, oldest first."""
        todo: set[int] = set(column.sources())
        found: set[int] = set()
        while todo:
            index = todo.pop()
            found.add(index)
            todo |= self.block(index).sources() - found
        return sorted(found)

    # -- plain modules -----------------------------------------------------------------------

    def subnetwork(self, label: int) -> nn.Module:
        """Plain module for one task, with nothing that the task does not need.

        Its layers are torch's own; one that reads several blocks is a
        :class:`~cgap_cl.blocks.blockwise.BlockwiseLayer` of them, side by side.

        Each call gives a module of its own, in eval mode.

        Raises:
            ValueError: the label was never trained.
        """
        if label not in self.labels:
            raise ValueError(unknown("task label", label, sorted(self.labels)))
        return copy.deepcopy(self._composed(label))

    def _composed(self, label: int) -> nn.Module:
        """The subnetwork that evaluation uses; kept as long as its block cannot change."""
        index = self.labels[label]
        if label in self._cache:
            return self._cache[label]
        module = self.block_network(index)
        if index < self.n_merged:
            self._cache[label] = module
        return module

    def block_network(self, index: int) -> nn.Module:
        """Plain module that gives the logits of one block, a new one at each call."""
        return compose.subnetwork(self._plain.module, self.layout, self.all_blocks(), index)

    def merged(self) -> nn.Module:
        """All blocks as one plain dense module, zero blocks written out.

        Its outputs are the heads of all blocks side by side, oldest first.
        """
        return compose.merged(self._plain.module, self.layout, self.all_blocks())

    def _untrained(self, label: int) -> nn.Module:
        """The first block under a head of seeded random weights: chance level."""
        key = -2 - label
        if key in self._cache:
            return self._cache[key]
        module = self.block_network(0)
        generator = torch.Generator().manual_seed(label + 1)
        for parameter in module.get_submodule(self.layout.head).parameters():
            bound = 1 / max(1, parameter[0].numel()) ** 0.5
            values = torch.rand(parameter.shape, generator=generator) * 2 * bound - bound
            parameter.copy_(values.to(parameter))
        if self.n_merged:
            self._cache[key] = module
        return module


def _widened(logits: Tensor, n: int) -> Tensor:
    """Logits with at least ``n`` columns."""
    missing = n - logits.shape[1]
    return nn.functional.pad(logits, (0, missing), value=PADDING) if missing > 0 else logits
