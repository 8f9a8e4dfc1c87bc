"""PlasticNetwork: frozen blocks of the past, the column that learns, and one head per task label."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from cgap_cl import compose
from cgap_cl.column import Block, Lateral, Taps, connect, sprout
from cgap_cl.coupling import Layout, axis_length, trace
from cgap_cl.errors import unknown
from cgap_cl.inherit import copy_units, extend_head

PADDING = -1e4  # logit of a class that a task's head does not have, in a batch of several tasks


@dataclass(frozen=True)
class Birth:
    """How a new column begins.

    Attributes:
        widths: units per group; None: those of the parent, or of the seed.
        parent: block whose weights it inherits; None: fresh weights.
        trunk: older blocks that it may read.
        layers: names of the layers with lateral inputs; None: all that may have them.
    """

    widths: Mapping[str, int] | None = None
    parent: int | None = None
    trunk: Sequence[int] = ()
    layers: Sequence[str] | None = None


class PlasticNetwork(MultiTaskModule):
    """A network that grows a column per experience and never changes what it has merged.

    Args:
        module: the reference network, a CNN or MLP whose layers between conv and linear ones act per channel.
            It is copied, never trained.
        example_input: one batch for tracing, ``(N, C, H, W)`` or ``(N, features)``.
        head: name of the head; by default the last linear layer or 1x1 convolution.
        seed_ratio: width of the first seed column as a share of the reference's.

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
        super().__init__()
        self.layout: Layout = trace(module, example_input, head)
        self._plain = _Unregistered(_skeleton(module, self.layout))
        self.positions = _count_positions(module, self.layout, example_input)
        self.blocks = nn.ModuleList()
        self.labels: dict[int, int] = {}
        self.n_merged = 0
        self.seed_ratio = seed_ratio
        self._cache: dict[int, nn.Module] = {}
        self.register_buffer("_anchor", example_input.new_zeros(()), persistent=False)
        head_layer = module.get_submodule(self.layout.head)
        self._n_classes = int(getattr(head_layer, "out_features", 0) or head_layer.out_channels)  # type: ignore[arg-type]
        self._append(None, self.layout.scaled(seed_ratio), self._n_classes)
        weights = _weight_counts(self.block(0), self.layout, self.layout.widths)
        self.reference_parameters = sum(weights.values())
        self.reference_macs = sum(n * self.positions[name] for name, n in weights.items())

    # -- structure ---------------------------------------------------------------------------------------------

    @property
    def column(self) -> Block | None:
        """The block that is learning, None between experiences."""
        return self.block(self.n_merged) if len(self.blocks) > self.n_merged else None

    def block(self, index: int) -> Block:
        """The block of that index, oldest first."""
        block = self.blocks[index]
        assert isinstance(block, Block)
        return block

    def all_blocks(self) -> list[Block]:
        """All blocks, oldest first, the column included."""
        return [self.block(index) for index in range(len(self.blocks))]

    def _append(self, label: int | None, widths: Mapping[str, int], n_classes: int) -> Block:
        body = sprout(self._plain.module, self.layout, widths, n_classes, self._anchor)
        block = Block(
            len(self.blocks), -1 if label is None else label, self.layout, widths, body
        )
        self.blocks.append(block)
        return block

    def sprout(self, label: int, n_classes: int, birth: Birth | None = None) -> Block:
        """Begin a column for a task label; the seed column of a fresh network is replaced.

        A label that was trained before keeps its head: the new head starts as the old one, reading what it read.

        Args:
            label: the task label.
            n_classes: outputs of its head.
            birth: widths, parent and trunk.

        Raises:
            RuntimeError: a column is learning already.
            ValueError: the parent or the trunk names a block that is not merged.
        """
        birth = birth or Birth()
        if self.n_merged == 0:
            del self.blocks[:]
        if self.column is not None:
            raise RuntimeError(
                f"the column of task {self.column.label} is still learning: merge it first"
            )
        for index in (*birth.trunk, *(() if birth.parent is None else (birth.parent,))):
            if not 0 <= index < self.n_merged:
                raise ValueError(unknown("block", index, range(self.n_merged)))
        parent = None if birth.parent is None else self.block(birth.parent)
        widths = dict(
            birth.widths or (parent.widths if parent else self.layout.scaled(self.seed_ratio))
        )
        older = self.labels.get(label)
        n_classes = max(
            n_classes, 0 if older is None else self.block(older).head.own.weight.shape[0]
        )
        column = self._append(label, widths, n_classes)
        self._connect(column, birth)
        if parent is not None:
            copy_units(column, parent, self.all_blocks())
        if older is not None:
            extend_head(column, self.all_blocks(), older)
        self.labels[label] = column.index
        self._cache.clear()
        self.train(self.training)
        return column

    def _connect(self, column: Block, birth: Birth) -> None:
        names = [layer.name for layer in self.layout.layers if layer.dense and not layer.raw]
        for name in names if birth.layers is None else birth.layers:
            if name not in names:
                raise ValueError(unknown("layer for laterals", name, names))
            for index in sorted(birth.trunk):
                connect(column.layer(name), self.block(index))

    def merge(self) -> Block:
        """Freeze the column into the base.

        Raises:
            RuntimeError: there is no column.
        """
        column = self.column
        if column is None or column.label < 0:
            raise RuntimeError("there is no trained column to merge")
        for parameter in column.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None
        column.eval()
        self.n_merged += 1
        self._cache.clear()
        return column

    def live_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn: the column's."""
        return [p for p in self.parameters() if p.requires_grad]

    def stored_parameters(self) -> int:
        """Parameters of every block that some trained task needs, heads included."""
        needed = {
            b
            for last in self.labels.values()
            for b in compose.closure(self.all_blocks(), self.layout, last)
        }
        needed |= set(self.labels.values())
        return sum(p.numel() for index in needed for p in self.block(index).parameters())

    # -- price -------------------------------------------------------------------------------------------------

    def macs(self, widths: Mapping[str, int] | None = None) -> int:
        """Multiply-adds of one inference of the column's task.

        Args:
            widths: units per group of the column, as they would be; the present ones by default.
        """
        return self.elder_macs() + self.own_macs(widths)

    def own_macs(self, widths: Mapping[str, int] | None = None) -> int:
        """The column's part of :meth:`macs`: its own units, lateral inputs included."""
        block = self._priced()
        counts = _weight_counts(block, self.layout, block.widths if widths is None else widths)
        return sum(n * self.positions[name] for name, n in counts.items())

    def elder_macs(self) -> int:
        """The older blocks' part of :meth:`macs`: what the column's task needs of them."""
        last = self._priced().index
        total = 0
        for index, units in compose.closure(self.all_blocks(), self.layout, last).items():
            if index != last:
                widths = {g: len(units.get(g, ())) for g in self.layout.widths}
                counts = _weight_counts(self.block(index), self.layout, widths)
                counts.pop(self.layout.head)
                total += sum(n * self.positions[name] for name, n in counts.items())
        return total

    def _priced(self) -> Block:
        return self.column or self.block(len(self.blocks) - 1)

    def parameters_of(self, widths: Mapping[str, int] | None = None) -> int:
        """Weights that the column stores, norms and biases left out; as :meth:`macs`."""
        block = self._priced()
        return sum(
            _weight_counts(
                block, self.layout, widths if widths is not None else block.widths
            ).values()
        )

    # -- forward -----------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> PlasticNetwork:
        """Train or eval mode for the column; merged blocks always stay in eval mode."""
        super().train(mode)
        for index in range(self.n_merged):
            self.block(index).eval()
        return self

    def adaptation(self, experience: object = None) -> None:
        """Avalanche's hook. Does nothing: structure changes only through :meth:`sprout` and plans."""

    def forward(self, x: Tensor, task_labels: int | Tensor | None = None) -> Tensor:
        """Logits.

        Args:
            x: a batch, ``(N, ...)``.
            task_labels: one label, one per row ``(N,)``, or None where there is only one head.

        Returns:
            ``(N, classes)``; in a batch of several tasks, classes that a task's head lacks are ``PADDING``.

        Raises:
            ValueError: no label given and several heads to choose from.
        """
        labels = self._labels(x, task_labels)
        if len(labels) == 1:
            return self._anchored(self._forward_one(x, labels[0]))
        assert isinstance(task_labels, Tensor)
        rows = {label: (task_labels == label).nonzero().flatten() for label in labels}
        parts = {label: self._forward_one(x[index], label) for label, index in rows.items()}
        width = max(part.shape[1] for part in parts.values())
        padded = [
            nn.functional.pad(part, (0, width - part.shape[1]), value=PADDING)
            for part in parts.values()
        ]
        order = torch.cat(list(rows.values())).argsort()
        return self._anchored(torch.cat(padded).index_select(0, order))

    def _labels(self, x: Tensor, task_labels: int | Tensor | None) -> list[int]:
        if isinstance(task_labels, Tensor) and task_labels.dim():
            if len(task_labels) != len(x):
                raise ValueError(f"{len(task_labels)} task labels for a batch of {len(x)}")
            return [int(label) for label in task_labels.unique().tolist()]
        if task_labels is not None:
            return [int(task_labels)]
        known = sorted(self.labels) or [-1]
        if len(known) > 1:
            raise ValueError(f"give task_labels: the network has heads for tasks {known}")
        return known

    def _anchored(self, logits: Tensor) -> Tensor:
        """Let a training batch without rows of the present task run backward and change nothing."""
        if self.training and torch.is_grad_enabled() and not logits.requires_grad:
            return logits + torch.zeros((), device=logits.device, requires_grad=True)
        return logits

    def _forward_one(self, x: Tensor, label: int) -> Tensor:
        column = self.column
        if (
            column is not None
            and self.labels.get(label, column.index if label == -1 else None) == column.index
        ):
            return self._forward_column(x, column)
        with torch.no_grad():
            return (
                self.subnetwork(label)(x) if label in self.labels else self._untrained(label)(x)
            )  # type: ignore[no-any-return]

    def _forward_column(self, x: Tensor, column: Block) -> Tensor:
        """The elders it reads without gradients, then the column."""
        taps: Taps = {}
        with torch.no_grad():
            for index in self._elders(column):
                self.block(index).run(x, taps)
        return column.run(x, taps)

    def _elders(self, column: Block) -> list[int]:
        """Blocks that must run before the column, oldest first."""
        todo, found = set(column.sources()), set()
        while todo:
            index = todo.pop()
            found.add(index)
            todo |= self.block(index).sources() - found
        return sorted(found)

    def subnetwork(self, label: int) -> nn.Module:
        """Plain module for one task: ordinary layers, nothing that the task does not need.

        Raises:
            ValueError: the label was never trained.
        """
        if label not in self.labels:
            raise ValueError(unknown("task label", label, sorted(self.labels)))
        index = self.labels[label]
        if self.column is not None and index == self.column.index:
            return compose.subnetwork(self._plain.module, self.layout, self.all_blocks(), index)
        if label not in self._cache:
            self._cache[label] = compose.subnetwork(
                self._plain.module, self.layout, self.all_blocks(), index
            )
        return self._cache[label]

    def merged(self) -> nn.Module:
        """All blocks as one plain dense module, zero blocks written out.

        Its outputs are the heads of all blocks side by side, oldest first.
        """
        return compose.merged(self._plain.module, self.layout, self.all_blocks())

    def _untrained(self, label: int) -> nn.Module:
        """The first block under a head of seeded random weights: chance level, what forward transfer needs."""
        key = -2 - label
        if key not in self._cache:
            module = compose.subnetwork(self._plain.module, self.layout, self.all_blocks(), 0)
            head = module.get_submodule(self.layout.head)
            generator = torch.Generator().manual_seed(label + 1)
            for parameter in head.parameters():
                bound = 1 / max(1, parameter[0].numel()) ** 0.5
                values = torch.rand(parameter.shape, generator=generator) * 2 * bound - bound
                parameter.copy_(values.to(parameter))
            if self.n_merged == 0:
                return module
            self._cache[key] = module
        return self._cache[key]

    # -- copies and checkpoints ----------------------------------------------------------------------------------

    def _apply(self, fn: object, recurse: bool = True) -> PlasticNetwork:
        self._cache.clear()
        return super()._apply(fn, recurse)  # type: ignore[no-any-return]

    def get_extra_state(self) -> dict[str, object]:
        """The structure as plain values; part of ``state_dict``."""
        return {
            "labels": [[label, index] for label, index in self.labels.items()],
            "n_merged": self.n_merged,
            "blocks": [_describe(block) for block in self.all_blocks()],
        }

    def set_extra_state(self, state: Mapping[str, object]) -> None:
        """Counterpart of :meth:`get_extra_state`; the structure was restored before values were copied."""
        assert state["n_merged"] == self.n_merged

    def _load_from_state_dict(
        self, state_dict: Mapping[str, object], prefix: str, *args: object
    ) -> None:
        state = state_dict.get(prefix + "_extra_state")
        if isinstance(state, Mapping) and state != self.get_extra_state():
            self.restore(state)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def restore(self, state: Mapping[str, object]) -> None:
        """Rebuild the blocks that a structure describes, values left to ``load_state_dict``.

        Args:
            state: what :meth:`get_extra_state` gave.
        """
        del self.blocks[:]
        for described in state["blocks"]:  # type: ignore[attr-defined]
            block = self._append(
                described["label"], described["widths"], described["n_classes"]
            )
            block.label = described["label"]
            for name, source, length in described["laterals"]:
                connect(block.layer(name), self.block(source), torch.arange(length))
        self.labels = {int(label): int(index) for label, index in state["labels"]}  # type: ignore[attr-defined]
        self.n_merged = int(state["n_merged"])  # type: ignore[call-overload]
        for index in range(self.n_merged):
            self.block(index).requires_grad_(False)
        self.train(self.training)
        self._cache.clear()


class _Unregistered:
    """Holds a module out of sight of nn.Module's bookkeeping."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module


def _skeleton(module: nn.Module, layout: Layout) -> nn.Module:
    """The reference without the values of the layers that blocks replace."""
    skeleton = copy.deepcopy(module)
    for layer in layout.layers:
        skeleton.get_submodule(layer.name).to("meta")
    return skeleton


def _count_positions(
    module: nn.Module, layout: Layout, example_input: Tensor
) -> dict[str, int]:
    """Output positions (height x width) per layer: how often a weight is used in one inference."""
    counts: dict[str, int] = {}
    probe = copy.deepcopy(module).eval()
    for layer in layout.layers:
        probe.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, y, name=layer.name: counts.__setitem__(name, y[0, 0].numel())
        )
    with torch.no_grad():
        probe(example_input)
    return counts


def _weight_counts(block: Block, layout: Layout, widths: Mapping[str, int]) -> dict[str, int]:
    """Weights per conv and linear layer of a block at the given widths, laterals included."""
    counts = {}
    for layer in layout.layers:
        if layer.dense:
            module = block.layer(layer.name)
            n_out = (
                module.own.weight.shape[0]
                if layer.name == layout.head
                else axis_length(layer.outputs, widths)
            )
            n_in = axis_length(layer.inputs, widths) + sum(
                len(lateral.index) for _, lateral in module.sources()
            )
            counts[layer.name] = n_out * n_in * module.own.weight[0, 0].numel()
        elif layer.kind.value == "depthwise":
            kernel = block.body.get_submodule(layer.name).weight[0].numel()  # type: ignore[index, union-attr]
            counts[layer.name] = axis_length(layer.inputs, widths) * kernel
    return counts


def _describe(block: Block) -> dict[str, object]:
    laterals: list[tuple[str, int, Lateral]] = [
        (layer.name, source, lateral)
        for layer in block.plastic()
        for source, lateral in layer.sources()
    ]
    return {
        "label": block.label,
        "widths": dict(block.widths),
        "n_classes": int(block.head.own.weight.shape[0]),
        "laterals": [
            [name, source, int(lateral.index.numel())] for name, source, lateral in laterals
        ],
    }
