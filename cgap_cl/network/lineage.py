"""Lineage: the blocks of a network, how they are born, frozen, priced and stored."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgap_cl.accept.coupling import trace
from cgap_cl.accept.probe import check_channels
from cgap_cl.blocks import structure
from cgap_cl.blocks import weight_counts as cost
from cgap_cl.blocks.block import Block, connect, sprout
from cgap_cl.blocks.closure import closure
from cgap_cl.blocks.inheriting import Birth, copy_units, extend_head, kept_units
from cgap_cl.blocks.layout import Layout

SEED = -1  # label of the seed column, before any task


class Lineage(nn.Module):
    """Merged blocks, oldest first, and the column; the base class of PlasticNetwork.

    Args:
        module: the reference network.
        example_input: one batch for tracing.
        head: name of the head; by default the last linear layer or 1x1 convolution.
        seed_ratio: width of a column that is sprouted without a birth, the seed column before
            the first experience included, as a share of the reference's; the plugin's columns
            follow :class:`~cgap_cl.config.CGaPConfig`.

    Attributes:
        restorations: how often a state of another structure was loaded.
    """

    def __init__(
        self,
        module: nn.Module,
        example_input: Tensor,
        head: str | None = None,
        seed_ratio: float = 0.25,
    ) -> None:
        super().__init__()
        if not seed_ratio > 0:
            raise ValueError(f"seed_ratio must be positive, not {seed_ratio}")
        self.layout: Layout = trace(module, example_input, head)
        self._plain = _Unregistered(_skeleton(module, self.layout))
        check_channels(self._plain.module, self.layout, example_input)
        self.positions = cost.count_positions(module, self.layout, example_input)
        self.blocks = nn.ModuleList()
        self.labels: dict[int, int] = {}
        self.n_merged = 0
        self.restorations = 0
        self.seed_ratio = seed_ratio
        self._cache: dict[int, nn.Module] = {}
        self.register_buffer("_anchor", example_input.new_zeros(()), persistent=False)
        logits = module.get_submodule(self.layout.head).weight
        assert isinstance(logits, Tensor)
        self._n_classes = len(logits)
        self._seed()
        weights = cost.weight_counts(self.block(0), self.layout, self.layout.widths)
        self.reference_parameters = sum(weights.values())
        self.reference_macs = cost.macs(weights, self.positions)

    # -- structure ---------------------------------------------------------------------------

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

    def _seed(self) -> None:
        """The column before any experience."""
        self._append(SEED, self.layout.scaled(self.seed_ratio), self._n_classes)

    def _append(self, label: int, widths: Mapping[str, int], n_classes: int) -> Block:
        block = self._make(len(self.blocks), label, widths, n_classes)
        self.blocks.append(block)
        return block

    def _make(self, index: int, label: int, widths: Mapping[str, int], n_classes: int) -> Block:
        like = self.get_buffer("_anchor")
        body = sprout(self._plain.module, self.layout, widths, n_classes, like)
        return Block(index, label, self.layout, widths, body)

    def build(self, described: Mapping[str, Any], index: int) -> Block:
        """A block from its description, outside the network, values left to be loaded.

        Args:
            described: what :func:`cgap_cl.blocks.structure.describe` gave.
            index: its position; the blocks that it reads come before and must be there.
        """
        with torch.random.fork_rng(devices=[]):  # the values drawn here are overwritten
            block = self._make(
                index, described["label"], described["widths"], described["n_classes"]
            )
            for name, source, length in described["laterals"]:
                connect(block.layer(name), self.block(source), torch.arange(length))
        return block

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
        birth = birth or Birth()
        self._check_sprout(label, n_classes)
        birth.check(self.layout, self.n_merged)
        ancestor = None if birth.ancestor is None else self.block(birth.ancestor)
        widths = birth.widths or self._born_widths(ancestor, birth)
        older = None if label not in self.labels else self.block(self.labels[label])
        if older is not None:
            n_classes = max(n_classes, older.head.own.weight.shape[0])
        if self.n_merged == 0:
            del self.blocks[:]
        column = self._append(label, widths, n_classes)
        for name in birth.lateral_layers(self.layout):
            for index in sorted(birth.trunk):
                connect(column.layer(name), self.block(index))
        if ancestor is not None:
            copy_units(column, ancestor, self.all_blocks(), birth.share)
        if older is not None:
            extend_head(column, self.all_blocks(), older.index)
        self.labels[label] = column.index
        self._cache.clear()
        self.train(self.training)
        return column

    def _born_widths(self, ancestor: Block | None, birth: Birth) -> dict[str, int]:
        if ancestor is None:
            return self.layout.scaled(self.seed_ratio)
        return {group: len(units) for group, units in kept_units(ancestor, birth.share).items()}

    def _check_sprout(self, label: int, n_classes: int) -> None:
        if self.column is not None and self.column.label != SEED:
            raise RuntimeError(
                f"the column of task {self.column.label} is still learning: merge() it, or "
                "discard() it if its training was interrupted"
            )
        if label < 0 or n_classes < 1:
            raise ValueError(
                f"a column needs a label >= 0 and 1 class or more, not {label} and {n_classes}"
            )

    def merge(self) -> Block:
        """Freeze the column into the base.

        Raises:
            RuntimeError: there is no column.
        """
        column = self.column
        if column is None or column.label == SEED:
            raise RuntimeError("there is no trained column to merge")
        for parameter in column.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None
        column.eval()
        self.n_merged += 1
        self._cache.clear()
        return column

    def discard(self) -> None:
        """Drop the column, as if it had not been sprouted.

        Raises:
            RuntimeError: there is no column.
        """
        if self.column is None or self.column.label == SEED:
            raise RuntimeError("there is no column to discard")
        del self.blocks[self.n_merged :]
        self.labels = {block.label: block.index for block in self.all_blocks()}
        self._cache.clear()
        if not self.n_merged:
            self._seed()

    def live_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn: the column's."""
        return [p for p in self.parameters() if p.requires_grad]

    # -- price -------------------------------------------------------------------------------

    def stored_parameters(self) -> int:
        """Parameters of every block that some trained task needs, heads included."""
        return cost.stored_parameters(self.all_blocks(), self.layout, set(self.labels.values()))

    def executed_widths(self, label: int) -> dict[str, int]:
        """Units per group that one inference of a trained task executes, of all blocks."""
        kept = closure(self.all_blocks(), self.layout, self.labels[label])
        return {g: sum(len(b.get(g, ())) for b in kept.values()) for g in self.layout.widths}

    def macs(self, widths: Mapping[str, int] | None = None) -> int:
        """Multiply-adds of one inference of the column's task.

        Args:
            widths: units per group of the column, as they would be; the present by default.
        """
        return self.elder_macs() + self.own_macs(widths)

    def own_macs(self, widths: Mapping[str, int] | None = None) -> int:
        """The column's part of :meth:`macs`: its own units, lateral inputs included."""
        return cost.macs(self._counts(widths), self.positions)

    def elder_macs(self) -> int:
        """The older blocks' part of :meth:`macs`: what the column's task needs of them."""
        last = self._priced().index
        return cost.elder_macs(self.all_blocks(), self.layout, self.positions, last)

    def parameters_of(self, widths: Mapping[str, int] | None = None) -> int:
        """Weights that the column stores, norms and biases left out; as :meth:`macs`."""
        return sum(self._counts(widths).values())

    def pricer(self, factors: Mapping[str, int]) -> Callable[[Mapping[str, int]], int]:
        """Fast form of :meth:`own_macs` and :meth:`parameters_of` for many widths.

        Args:
            factors: per layer, what one weight counts: :attr:`positions` for multiply-adds.
        """
        return cost.pricer(self._priced(), self.layout, factors)

    def _priced(self) -> Block:
        return self.column or self.block(len(self.blocks) - 1)

    def _counts(self, widths: Mapping[str, int] | None) -> dict[str, int]:
        block = self._priced()
        return cost.weight_counts(
            block, self.layout, block.widths if widths is None else widths
        )

    # -- checkpoints -------------------------------------------------------------------------

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._cache.clear()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def get_extra_state(self) -> dict[str, Any]:
        """The structure as plain values; part of ``state_dict``."""
        return {
            "labels": [[label, index] for label, index in self.labels.items()],
            "n_merged": self.n_merged,
            "blocks": [structure.describe(block) for block in self.all_blocks()],
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Counterpart of :meth:`get_extra_state`; the structure was restored before."""
        assert state["n_merged"] == self.n_merged

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any
    ) -> None:
        self._cache.clear()
        state = state_dict.get(prefix + "_extra_state")
        if state is not None and state != self.get_extra_state():
            self.restore(state)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Rebuild the blocks that a structure describes, values left to ``load_state_dict``.

        Args:
            state: what :meth:`get_extra_state` gave.

        Raises:
            ValueError: the structure belongs to another reference network.
        """
        structure.check(state, self.layout.widths)
        self.restorations += 1
        del self.blocks[:]
        for index, described in enumerate(state["blocks"]):
            self.blocks.append(self.build(described, index))
        self.labels = {int(label): int(index) for label, index in state["labels"]}
        self.n_merged = int(state["n_merged"])
        for index in range(self.n_merged):
            self.block(index).requires_grad_(False)
        self.train(self.training)


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
