"""BlockStore: frozen blocks of the past, the column that learns, and what restores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Self, cast

from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from cgap_cl.blocks import structure, weight_counts
from cgap_cl.blocks.block import Block
from cgap_cl.blocks.frozen import frozen_layers
from cgap_cl.blocks.inheriting import Birth, Inheritance
from cgap_cl.blocks.layout import Layout
from cgap_cl.network import stored
from cgap_cl.network.column_life import check_sprout, freeze, of_a_task
from cgap_cl.network.composed import Composed
from cgap_cl.network.head import class_ids
from cgap_cl.network.reference import Reference, rebuilt


class BlockStore(MultiTaskModule):  # type: ignore[misc]
    """The blocks of a plastic network, their labels, and the life of its column.

    Args:
        reference: of the network.
        like: a tensor of the device and dtype wanted.
        seed_ratio: width of the seed column, as a share of the reference's.

    Attributes:
        blocks: all blocks, oldest first.
        frozen: layers that came frozen, which all blocks read.
        labels: task label -> index of the newest block that holds its head.
        n_merged: how many blocks are frozen.
    """

    def __init__(self, reference: Reference, like: Tensor, seed_ratio: float) -> None:
        super().__init__()
        self.reference = reference
        self.blocks = nn.ModuleList()
        self.frozen = nn.ModuleList(f.layer for _, f in frozen_layers(reference.skeleton))
        self.frozen.eval()
        self.labels: dict[int, int] = {}
        self.n_merged = 0
        self.seed_ratio = seed_ratio
        self._composed = Composed()
        self._counts: dict[int, tuple[set[int], int]] = {}
        self.register_buffer("_anchor", like.new_zeros(()), persistent=False)
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
        # asked for in each pass; looking them up one by one takes as long as some layers
        return cast(list[Block], [*self.blocks])

    def live_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn: the column's."""
        return [parameter for _, parameter in self.named_live_parameters()]

    def named_live_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """The same with their names."""
        column, name = self.column, f"blocks.{self.n_merged}"  # not all blocks: there are many
        named = () if column is None else column.named_parameters(prefix=name)
        return [(name, p) for name, p in named if p.requires_grad]

    def stored_parameters(self) -> int:
        """Parameters of every block that some trained task needs, heads and frozen layers."""
        needed = {index for last in self.labels.values() for index in self._stored(last)[0]}
        frozen = sum(p.numel() for p in self.frozen.parameters()) if needed else 0
        return frozen + sum(self._stored(index)[1] for index in needed)

    def _stored(self, index: int) -> tuple[set[int], int]:
        """The blocks that one needs, and its parameters; counted once where it is merged."""
        counts = self._counts.get(index)
        if counts is None:
            counts = weight_counts.stored(self.all_blocks(), self.layout, index)
        if index < self.n_merged:
            self._counts[index] = counts
        return counts

    def versions(self, label: int) -> list[int]:
        """The blocks that learned a task label, oldest first: one a visit."""
        return [block.index for block in self.all_blocks() if block.label == label]

    # -- life of a column --------------------------------------------------------------------

    def sprout(
        self, label: int, classes: int | Sequence[int], birth: Birth | None = None
    ) -> Block:
        """Begin a column for a task label; the seed column of a fresh network is replaced.

        A label that was trained before goes on from its own block, head included.

        Args:
            label: the task label, 0 or more.
            classes: ids of its classes, or how many: 0, 1, ...
            birth: how the column begins; by default at seed width with fresh weights, or, where
                the label returns, as a copy of its block. The first column of a pretrained
                network needs one.

        Raises:
            RuntimeError: a column is learning already.
            ValueError: a negative label, no class, or a birth that names what is not there, or
                that leaves the block of a label that returns.
        """
        older = self.labels.get(label)
        birth = birth or Birth(ancestor=older)
        check_sprout(self.column, label, older, birth)
        ids = class_ids(classes, () if older is None else self.block(older).classes)
        elders, seed = self.all_blocks()[: self.n_merged], self.layout.scaled(self.seed_ratio)
        given = None if elders else self.reference.given
        inheritance = Inheritance.of(birth, self.layout, elders, seed, given)

        del self.blocks[self.n_merged :]  # the seed column, if there is one
        column = self._append(label, inheritance.widths, ids)
        inheritance.endow(column, continues=older is not None)

        self.labels[label] = column.index
        self._composed.clear()
        self.train(self.training)
        return column

    def _seed(self) -> None:
        """The column before any experience, of no task."""
        n_classes = self.reference.n_classes
        self._append(None, self.layout.scaled(self.seed_ratio), range(n_classes))

    def _append(
        self, label: int | None, widths: Mapping[str, int], classes: Sequence[int]
    ) -> Block:
        like = self.get_buffer("_anchor")
        block = self.reference.block(len(self.blocks), label, widths, classes, like)
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

    def train(self, mode: bool = True) -> Self:
        """Train or eval mode for the column; merged blocks always stay in eval mode."""
        self.training = self.blocks.training = mode
        if self.column is not None:  # no walk through the others: there may be hundreds
            self.column.train(mode)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As torch's; merged blocks that are there already are not walked through."""
        if set(kwargs) <= {"device", "dtype", "non_blocking"} and (args or kwargs):
            anchor = self.get_buffer("_anchor")
            if anchor.to(*args, **kwargs) is anchor:
                if self.column is not None:
                    self.column.to(*args, **kwargs)
                return self
        return super().to(*args, **kwargs)  # type: ignore[no-any-return]

    def adaptation(self, experience: object = None) -> None:
        """Avalanche's hook; does nothing: structure changes by :meth:`sprout` and plans."""

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

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """All or nothing: a state that does not fit changes nothing.

        Args:
            state_dict: what ``state_dict`` gave.
            strict: whether every tensor must be there, and no other.
            assign: as torch has it.

        Raises:
            ValueError: its structure is none of this reference network.
            RuntimeError: a tensor is missing, of another size, or one too many.
        """
        if strict:
            own = self.get_extra_state()
            names = stored.check(
                self.reference, state_dict.get("_extra_state", own), state_dict
            )
            own_names = self.state_dict(keep_vars=True)
            names |= {name for name in own_names if not name.startswith("blocks.")}
            _refuse_others(names, state_dict.keys())
        return super().load_state_dict(state_dict, strict, assign)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any
    ) -> None:
        own = self.get_extra_state()
        ours = [key for key in state_dict if key.startswith(prefix)]
        found = {key.removeprefix(prefix): state_dict[key] for key in ours}
        state = found.get("_extra_state", own)
        names = stored.check(self.reference, state, found)

        self._composed.clear()
        if state != own:  # new blocks have no values but those of the state
            _refuse_others(names, {name for name in found if name.startswith("blocks.")})
            self.restore(state)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Rebuild the blocks that a structure describes, values left to ``load_state_dict``.

        All blocks are new objects: whoever follows the column sees that it is another one.

        Args:
            state: what :meth:`get_extra_state` gave.

        Raises:
            ValueError: it is no structure of this reference network; nothing is changed.
        """
        structure.check(state, self.layout)
        blocks: list[Block] = []
        like = self.get_buffer("_anchor")
        for index, described in enumerate(state["blocks"]):
            blocks.append(rebuilt(self.reference, described, index, blocks, like))
        del self.blocks[:]
        self._counts.clear()
        self.blocks.extend(blocks)
        self.labels = {int(label): int(index) for label, index in state["labels"]}
        self.n_merged = int(state["n_merged"])
        for index in range(self.n_merged):
            self.block(index).requires_grad_(False).eval()
        self.train(self.training)


def _refuse_others(wanted: Set[str], found: Set[str]) -> None:
    if wanted != found:
        differ = ", ".join(sorted(wanted ^ found)[:5])
        raise RuntimeError(f"missing from the state, or not of such a network: {differ}")
