"""PlasticNetwork: frozen blocks of the past, the column that learns, a head per task label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from cgap_cl.blocks import composing, structure, weight_counts
from cgap_cl.blocks.block import Block, frozen_norms
from cgap_cl.blocks.inheriting import Birth, Inheritance, extend_head
from cgap_cl.blocks.layout import Layout
from cgap_cl.errors import unknown
from cgap_cl.network.column_life import check_sprout, freeze, of_a_task
from cgap_cl.network.composed import Composed, kept, with_random_head
from cgap_cl.network.mixed import Unlabelled, by_label, finished, labels_in
from cgap_cl.network.reference import Reference, rebuilt
from cgap_cl.network.running import elder_taps
from cgap_cl.network.teacher import Teacher

SEED_RATIO = 0.35  # width of a column without ancestor, as a share of the reference's


class PlasticNetwork(MultiTaskModule):  # type: ignore[misc]
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
        reference: layout, skeleton and price of the reference network.
        blocks: all blocks, oldest first.
        labels: task label -> index of the block that holds its head.
        n_merged: how many blocks are frozen.
        n_outputs: in evaluation, logits have at least so many columns; those of classes that a
            task's head does not know (yet) are :data:`~cgap_cl.network.mixed.PADDING`.
        unlabelled: what is answered where no task label is given.
        teacher: what the column is compared with in training; None: nothing.

    Raises:
        UnsupportedNetworkError: a layer cannot grow; names it and the reason.

    >>> cnn = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    >>> network = PlasticNetwork(cnn, torch.zeros(2, 6))
    >>> network.sprout(0, n_classes=3).widths  # then train network.live_parameters()
    {'0': 7}
    >>> merged = network.merge()  # frozen from here on
    >>> network.sprout(1, n_classes=2, birth=Birth(ancestor=0)).widths
    {'0': 7}
    >>> network(torch.zeros(5, 6), task_labels=1).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        example_input: Tensor,
        head: str | None = None,
        seed_ratio: float = SEED_RATIO,
    ) -> None:
        super().__init__()
        if not seed_ratio > 0:
            raise ValueError(f"seed_ratio must be positive, not {seed_ratio}")
        self.reference = Reference.of(module, example_input, head)
        self.blocks = nn.ModuleList()
        self.labels: dict[int, int] = {}
        self.n_merged = 0
        self.n_outputs = 0
        self.seed_ratio = seed_ratio
        self.unlabelled = Unlabelled.ONLY_HEAD
        self.teacher: Teacher | None = None
        self._composed = Composed()
        self.register_buffer("_anchor", example_input.new_zeros(()), persistent=False)
        self._seed()

    # -- structure ---------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        """What the axes of every layer are made of."""
        return self.reference.layout

    @property
    def column(self) -> Block | None:
        """The block that is learning, None between experiences."""
        return self.block(self.n_merged) if len(self.blocks) > self.n_merged else None

    @property
    def newest(self) -> Block:
        """The column, or the block that was merged last."""
        return self.block(len(self.blocks) - 1)

    def block(self, index: int) -> Block:
        """The block of that index, oldest first."""
        block = self.blocks[index]
        assert isinstance(block, Block)
        return block

    def all_blocks(self) -> list[Block]:
        """All blocks, oldest first, the column included."""
        return [self.block(index) for index in range(len(self.blocks))]

    def live_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn: the column's."""
        return [p for p in self.parameters() if p.requires_grad]

    def stored_parameters(self) -> int:
        """Parameters of every block that some trained task needs, heads included."""
        lasts = set(self.labels.values())
        return weight_counts.stored_parameters(self.all_blocks(), self.layout, lasts)

    # -- life of a column --------------------------------------------------------------------

    def sprout(self, label: int, n_classes: int, birth: Birth | None = None) -> Block:
        """Begin a column for a task label; the seed column of a fresh network is replaced.

        A label that was trained before keeps its head: the new head starts as the old one,
        reading what it read.

        Args:
            label: the task label, 0 or more.
            n_classes: outputs of its head.
            birth: widths, ancestor and trunk.

        Raises:
            RuntimeError: a column is learning already.
            ValueError: a negative label, no class, or a birth that names what is not there.
        """
        check_sprout(self.column, label, n_classes)
        elders, seed = self.all_blocks()[: self.n_merged], self.layout.scaled(self.seed_ratio)
        inheritance = Inheritance.of(birth or Birth(), self.layout, elders, seed)

        older = self.labels.get(label)
        if older is not None:
            n_classes = max(n_classes, self.block(older).head.own.weight.shape[0])
        del self.blocks[self.n_merged :]  # the seed column, if there is one
        column = self._append(label, inheritance.widths, n_classes)
        inheritance.endow(column)
        if older is not None:
            extend_head(column, elders, older)

        self.labels[label] = column.index
        self._composed.clear()
        self.train(self.training)
        return column

    def _seed(self) -> None:
        """The column before any experience, of no task."""
        self._append(None, self.layout.scaled(self.seed_ratio), self.reference.n_classes)

    def _append(self, label: int | None, widths: Mapping[str, int], n_classes: int) -> Block:
        like = self.get_buffer("_anchor")
        block = self.reference.block(len(self.blocks), label, widths, n_classes, like)
        self.blocks.append(block)
        return block

    def merge(self) -> Block:
        """Freeze the column into the base.

        Raises:
            RuntimeError: there is no column.
        """
        column = of_a_task(self.column, "merge")
        freeze(column)
        self.n_merged += 1
        self._composed.clear()
        return column

    def discard(self) -> None:
        """Drop the column, as if it had not been sprouted.

        Raises:
            RuntimeError: there is no column.
        """
        of_a_task(self.column, "discard")
        del self.blocks[self.n_merged :]
        self.labels = {
            block.label: block.index for block in self.all_blocks() if block.label is not None
        }
        self._composed.clear()
        if not self.n_merged:
            self._seed()

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
            are :data:`~cgap_cl.network.mixed.PADDING`.

        Raises:
            ValueError: no label given and several heads to choose from, or a negative one.
        """
        known = sorted(self.labels)
        if task_labels is None and self.unlabelled is Unlabelled.ALL_HEADS:
            heads = {label: self._one_task(x, label) for label in known}
            return {
                label: finished(logits, self.training, self.n_outputs)
                for label, logits in heads.items()
            }
        labels = labels_in(x, task_labels, known)
        if len(labels) == 1:
            logits = self._one_task(x, labels[0])
        else:
            assert isinstance(task_labels, Tensor)
            logits = by_label(x, task_labels, self._one_task)
        return finished(logits, self.training, self.n_outputs)

    def _one_task(self, x: Tensor, label: int | None) -> Tensor:
        column = self.column
        if column is not None and label == column.label:
            return self._through_column(x, column)
        if label is None or label < 0:
            raise ValueError(f"task labels are 0 or more, not {label}")
        with torch.no_grad():
            logits: Tensor = self._answering(label)(x)
        return logits

    def _through_column(self, x: Tensor, column: Block) -> Tensor:
        taps = elder_taps(x, self.all_blocks(), column)
        if self.training and len(x) == 1:  # torch trains no norm on one value per channel
            with frozen_norms(column, self.reference.single_norms):
                return column.run(x, taps)
        logits = column.run(x, taps)
        if self.teacher is not None and self.training and torch.is_grad_enabled():
            self.teacher.teach(x, taps, logits)
        return logits

    # -- plain modules -----------------------------------------------------------------------

    def subnetwork(self, label: int) -> nn.Module:
        """Plain module for one task, with nothing that the task does not need.

        Its layers are torch's own; one that reads several blocks is a
        :class:`~cgap_cl.blocks.blockwise.BlockwiseLayer` of them, side by side.

        Each call gives a module of its own, in eval mode.

        Raises:
            ValueError: the label was never trained.

        >>> cnn = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
        >>> network = PlasticNetwork(cnn, torch.zeros(2, 6))
        >>> column = network.sprout(0, n_classes=3)
        >>> network.subnetwork(0)
        Sequential(
          (0): Linear(in_features=6, out_features=7, bias=True)
          (1): ReLU()
          (2): Linear(in_features=7, out_features=3, bias=True)
        )
        """
        if label not in self.labels:
            raise ValueError(unknown("task label", label, sorted(self.labels)))
        return copy.deepcopy(self._answering(label))

    def _answering(self, label: int) -> nn.Module:
        """What evaluation uses: the subnetwork, or an untrained head on the first block."""
        cache = self._composed
        index = self.labels.get(label)
        if index is not None:
            lasts = index < self.n_merged
            return kept(cache.trained, label, lasts, lambda: self.block_network(index))

        def untrained() -> nn.Module:
            return with_random_head(self.block_network(0), self.layout.head, label)

        return kept(cache.untrained, label, self.n_merged > 0, untrained)

    def block_network(self, index: int) -> nn.Module:
        """Plain module that gives the logits of one block, a new one at each call."""
        skeleton = self.reference.skeleton
        return composing.subnetwork(skeleton, self.layout, self.all_blocks(), index)

    def merged(self) -> nn.Module:
        """All blocks as one plain dense module, zero blocks written out.

        Its outputs are the heads of all blocks side by side, oldest first.
        """
        return composing.merged(self.reference.skeleton, self.layout, self.all_blocks())

    # -- checkpoints -------------------------------------------------------------------------

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._composed.clear()
        return super()._apply(fn, recurse)

    def get_extra_state(self) -> dict[str, Any]:
        """The structure as plain values; part of ``state_dict``."""
        return structure.describe_all(self.all_blocks(), self.labels, self.n_merged)

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`get_extra_state`; the structure was restored before."""
        assert state["n_merged"] == self.n_merged

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any
    ) -> None:
        self._composed.clear()
        state = state_dict.get(prefix + "_extra_state")
        if state is not None and state != self.get_extra_state():
            self.restore(state)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Rebuild the blocks that a structure describes, values left to ``load_state_dict``.

        All blocks are new objects: whoever follows the column sees that it is another one.

        Args:
            state: what :meth:`get_extra_state` gave.

        Raises:
            ValueError: the structure belongs to another reference network.
        """
        structure.check(state, self.layout.widths)
        del self.blocks[:]
        for index, described in enumerate(state["blocks"]):
            self.blocks.append(self.build(described, index))
        self.labels = {int(label): int(index) for label, index in state["labels"]}
        self.n_merged = int(state["n_merged"])
        for index in range(self.n_merged):
            self.block(index).requires_grad_(False)
        self.train(self.training)

    def build(self, described: Mapping[str, Any], index: int) -> Block:
        """A block from its description, outside the network, values left to be loaded.

        Args:
            described: what :func:`cgap_cl.blocks.structure.describe` gave.
            index: its position; the blocks that it reads come before and must be there.
        """
        return rebuilt(
            self.reference, described, index, self.all_blocks(), self.get_buffer("_anchor")
        )
