"""PlasticNetwork: frozen blocks of the past, the column that learns, a head per task label."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from cgap_cl.blocks import composing
from cgap_cl.blocks.block import Block, frozen_norms
from cgap_cl.errors import unknown
from cgap_cl.network.block_store import BlockStore
from cgap_cl.network.composed import kept, with_random_head
from cgap_cl.network.head import by_class
from cgap_cl.network.mixed import Unlabelled, by_label, finished, labels_in
from cgap_cl.network.recall import Recall
from cgap_cl.network.reference import Reference
from cgap_cl.network.running import elder_taps

SEED_RATIO = 0.35  # width of a column without ancestor, as a share of the reference's


class PlasticNetwork(BlockStore):
    """A network that grows a column per experience and never changes what it has merged.

    Args:
        module: the reference network, a CNN or MLP whose layers between conv and linear ones
            act per channel. It is copied, never trained.
        example_input: one batch for tracing, ``(N, C, H, W)`` or ``(N, features)``.
        head: name of the head; by default the last linear layer or 1x1 convolution.
        seed_ratio: width of a column that is sprouted without a birth, the seed column before
            the first experience included, as a share of the reference's; the plugin's columns
            follow :class:`~cgap_cl.config.CGaPConfig`.
        pretrained: whether the first column starts from the most salient units of the network
            given, with their weights and statistics, head aside, at the price at which growth
            would end. Without it the network given is a pattern alone.

    Attributes:
        reference: layout, skeleton and price of the reference network.
        n_outputs: in evaluation, logits have at least so many columns; those of classes that a
            task's head does not know (yet) are :data:`~cgap_cl.network.head.PADDING`.
        unlabelled: what is answered where no task label is given.
        recall: what a column whose label returned is held to in training; None: to nothing.

    Raises:
        UnsupportedNetworkError: a layer cannot grow; names it and the reason.

    >>> cnn = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    >>> network = PlasticNetwork(cnn, torch.zeros(2, 6))
    >>> network.sprout(0, classes=3).widths  # then train network.live_parameters()
    {'0': 7}
    >>> merged = network.merge()  # frozen from here on
    >>> from cgap_cl import Birth
    >>> network.sprout(1, classes=[4, 5], birth=Birth(ancestor=0)).widths
    {'0': 7}
    >>> int(network(torch.zeros(5, 6), task_labels=1).argmax(1)[0]) in (4, 5)  # ids
    True
    """

    def __init__(
        self,
        module: nn.Module,
        example_input: Tensor,
        head: str | None = None,
        seed_ratio: float = SEED_RATIO,
        pretrained: bool = False,
    ) -> None:
        if not seed_ratio > 0:
            raise ValueError(f"seed_ratio must be positive, not {seed_ratio}")
        reference = Reference.of(module, example_input, head, pretrained)
        super().__init__(reference, example_input, seed_ratio)
        self.n_outputs = 0
        self.unlabelled = Unlabelled.ONLY_HEAD
        self.recall: Recall | None = None
        self._told: set[str] = set()

    # -- forward -----------------------------------------------------------------------------

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
            ``(N, ids)``: the column of each class is its id; those of classes that a task's
            head lacks are :data:`~cgap_cl.network.head.PADDING`.

        Raises:
            ValueError: no label given and several heads to choose from, or a negative one.
        """
        self._check_size(x)
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
        block = self.block(self.labels.get(label, 0))
        self._check_hooks(block)
        with torch.no_grad():
            logits: Tensor = self._answering(label)(x)
        return by_class(logits, block.classes)

    def _through_column(self, x: Tensor, column: Block) -> Tensor:
        taps = elder_taps(x, self.all_blocks(), column)
        if self.training and len(x) == 1:  # torch trains no norm on one value per channel
            with frozen_norms(column, self.reference.single_norms):
                return by_class(column.run(x, taps), column.classes)
        logits = column.run(x, taps)
        if self.recall is not None and self.training and torch.is_grad_enabled():
            with torch.no_grad():  # it reads what the column reads, and leaves nothing there
                taught = self.block(self.recall.index).run(x, dict(taps))
            self.recall.compare(logits, taught)
        return by_class(logits, column.classes)

    def _check_size(self, x: Tensor) -> None:
        traced, shape = self.reference.input_shape, tuple(x.shape[1:])
        if shape != traced:
            self._tell(
                f"the network was traced with inputs of shape {traced} and is given {shape}: "
                "prices are those of the former; make it with an example input of the size used"
            )

    def _check_hooks(self, block: Block) -> None:
        if any(m._forward_hooks or m._forward_pre_hooks for m in block.modules()):
            self._tell(
                "forward hooks on the layers of a merged block do not fire: a merged task runs "
                "as the plain module subnetwork(task); put them there"
            )

    def _tell(self, what: str) -> None:
        """A warning, once."""
        if what not in self._told:
            self._told.add(what)
            warnings.warn(what, stacklevel=4)

    # -- plain modules -----------------------------------------------------------------------

    def subnetwork(self, label: int, version: int = -1) -> nn.Module:
        """Plain module for one task, with nothing that the task does not need.

        Its layers are torch's own; one that reads several blocks is a
        :class:`~cgap_cl.blocks.blockwise.BlockwiseLayer` of them, side by side.

        Each call gives a module of its own, in eval mode. Its outputs are the classes of the
        task's head, in the order of ``block.classes``: 0, 1, ... where ids are counted so.

        Args:
            label: the task label.
            version: which visit of the label, of those in order: the last by default.

        Raises:
            ValueError: the label was never trained, or not so often.

        >>> cnn = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
        >>> network = PlasticNetwork(cnn, torch.zeros(2, 6))
        >>> column = network.sprout(0, classes=3)
        >>> network.subnetwork(0)
        Sequential(
          (0): Linear(in_features=6, out_features=7, bias=True)
          (1): ReLU()
          (2): Linear(in_features=7, out_features=3, bias=True)
        )
        """
        if label not in self.labels:
            raise ValueError(unknown("task label", label, sorted(self.labels)))
        versions = range(len(self.versions(label)))
        if version not in (*versions, -1):
            raise ValueError(unknown(f"version of task {label}", version, versions))
        return self.block_network(self.versions(label)[version])

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
