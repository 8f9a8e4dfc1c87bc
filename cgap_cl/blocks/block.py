"""A block: a small network of the reference architecture with lateral inputs from older blocks.

While it learns it is called the column. Conv and linear layers that may read older blocks are
wrapped in :class:`PlasticLayer`; everything between them acts per channel, so the block and its
elders together are one network.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import Dense, Kind, channel_tensors, kind_of, rows
from cgap_cl.blocks.layers_alike import layer_like, replace
from cgap_cl.blocks.layout import Layout
from cgap_cl.blocks.picking import picked

Taps = dict[int, dict[str, Tensor]]  # block index -> layer name -> what it feeds to that layer


class Lateral(nn.Module):
    """What a layer reads from one older block: some of what that block feeds to the same layer.

    Args:
        op: Conv2d or Linear without bias, from the positions read to the layer's own outputs.
        index: int64, the positions read, ascending.
        n_source: how many positions there are.
        dim: the dimension that they are along.
    """

    index: Tensor

    def __init__(self, op: Dense, index: Tensor, n_source: int, dim: int) -> None:
        super().__init__()
        self.op = op
        self.dim = dim
        self.n_source = n_source
        self.register_buffer("index", index)

    def forward(self, tap: Tensor) -> Tensor:
        """Tap ``(N, n_source, ...)`` -> contribution to the layer's own outputs."""
        if self.index.numel() < self.n_source:
            tap = picked(tap, self.dim, self.index)
        return self.op(tap)  # type: ignore[no-any-return]


class _AllReadError(Exception):
    """A block has left every tap that is read of it: the rest of its forward pass is idle."""


class PlasticLayer(nn.Module):
    """A conv or linear layer of one block: own inputs plus lateral inputs from older blocks."""

    def __init__(self, name: str, own: Dense, dim: int) -> None:
        super().__init__()
        self.name = name
        self.dim = dim
        self.own = own
        self.laterals = nn.ModuleDict()
        self.taps: Taps | None = None
        self.read: Collection[str] | None = None
        self.block = -1

    def forward(self, x: Tensor) -> Tensor:
        """``own(x)`` plus each lateral of the tap that its source left behind."""
        if self.taps is None and len(self.laterals):
            raise RuntimeError(
                f"layer '{self.name}' reads older blocks: run it through Block.run"
            )
        if self.taps is not None:
            self._leave_tap(x, self.taps)
        y: Tensor = self.own(x)
        if self.taps is not None:
            for source, lateral in self.laterals.items():
                # a sum has its first term's memory order, and `own` may read a single channel
                y = lateral(self.taps[int(source)][self.name]) + y
        return y

    def _leave_tap(self, x: Tensor, taps: Taps) -> None:
        own = taps.setdefault(self.block, {})
        own[self.name] = x
        if self.read is not None and own.keys() >= set(self.read):
            raise _AllReadError

    def sources(self) -> Iterator[tuple[int, Lateral]]:
        """(source block, lateral) in ascending order of the block."""
        for source, lateral in sorted(self.laterals.items(), key=lambda item: int(item[0])):
            assert isinstance(lateral, Lateral)
            yield int(source), lateral


class Block(nn.Module):
    """The units that one experience added, as a network of the reference architecture.

    Args:
        index: position among the blocks; a block reads only blocks of lower index.
        label: the task label whose head it holds; None before the first experience.
        layout: the reference's layout.
        widths: units per group.
        body: the narrowed network.

    Attributes:
        classes: the class that each output of the head stands for; 0, 1, ... until it is set.
    """

    def __init__(
        self,
        index: int,
        label: int | None,
        layout: Layout,
        widths: Mapping[str, int],
        body: nn.Module,
    ) -> None:
        super().__init__()
        self.index = index
        self.label = label
        self.layout = layout
        self.widths = dict(widths)
        self.body = body
        for layer in self.plastic():
            layer.block = index
        self.classes = tuple(range(len(self.head.own.weight)))

    def plastic(self) -> Iterator[PlasticLayer]:
        """Its conv and linear layers, in forward order."""
        for layer in self.layout.layers:
            if layer.dense:
                yield self.layer(layer.name)

    def layer(self, name: str) -> PlasticLayer:
        """The conv or linear layer of that name."""
        layer = self.body.get_submodule(name)
        assert isinstance(layer, PlasticLayer)
        return layer

    @property
    def head(self) -> PlasticLayer:
        """The layer that gives the logits."""
        return self.layer(self.layout.head)

    def sources(self) -> set[int]:
        """The blocks that it reads directly."""
        return {source for layer in self.plastic() for source, _ in layer.sources()}

    def run(self, x: Tensor, taps: Taps) -> Tensor:
        """Forward pass that reads ``taps`` of older blocks and leaves its own there."""
        with self._taps(taps, None):
            return self.body(x)  # type: ignore[no-any-return]

    def leave_taps(self, x: Tensor, taps: Taps, read: Collection[str]) -> None:
        """The same as far as it takes to leave the taps that are read.

        Args:
            x: a batch, ``(N, ...)``.
            taps: of older blocks; its own are added.
            read: layers whose taps are wanted, at least one.
        """
        with self._taps(taps, read), suppress(_AllReadError):
            self.body(x)

    @contextmanager
    def _taps(self, taps: Taps, read: Collection[str] | None) -> Iterator[None]:
        for layer in self.plastic():
            layer.taps, layer.read = taps, read
        try:
            yield
        finally:
            for layer in self.plastic():
                layer.taps = layer.read = None


def sprout(
    reference: nn.Module,
    layout: Layout,
    widths: Mapping[str, int],
    n_classes: int,
    like: Tensor,
) -> nn.Module:
    """A fresh body of the given widths, values drawn by each layer's ``reset_parameters``.

    Args:
        reference: the full network, left untouched.
        layout: its layout.
        widths: units per group, at least 1 each.
        n_classes: outputs of the head.
        like: a tensor of the device and dtype wanted.
    """
    body = copy.deepcopy(reference)
    for layer in layout.layers:
        if layer.kind is Kind.PARAMETER:  # nobody but its owner knows how to draw it
            for owner, leaf in channel_tensors(body, layer.name, layer.kind):
                given = getattr(owner, leaf).detach()
                chosen = torch.arange(layer.inputs.length(widths)) % len(given)
                setattr(owner, leaf, nn.Parameter(given[chosen].to(like)))
            continue
        n_in, n_out = layer.inputs.length(widths), layer.outputs.length(widths)
        n_out = n_classes if layer.name == layout.head else n_out
        fresh = layer_like(body.get_submodule(layer.name), layer.kind, n_in, n_out).to(like)
        if layer.dense:
            assert isinstance(fresh, Dense)
            fresh = PlasticLayer(layer.name, fresh, layer.dim)
        replace(body, layer.name, fresh)
    return body


def connect(layer: PlasticLayer, source: Block, index: Tensor | None = None) -> Lateral:
    """Add a lateral input from an older block, with weights zero.

    Args:
        layer: the reading layer.
        source: the older block.
        index: positions of the source's input to read; all by default.
    """
    own, theirs = layer.own, source.layer(layer.name).own
    n_source = rows(theirs, theirs.weight).shape[1]
    index = torch.arange(n_source) if index is None else index
    n_out = len(rows(own, own.weight))
    op = layer_like(own, kind_of(own), len(index), n_out, bias=False)
    assert isinstance(op, Dense)
    nn.init.zeros_(op.weight)
    lateral = Lateral(op.to(own.weight), index.to(own.weight.device), n_source, layer.dim)
    layer.laterals[str(source.index)] = lateral
    return lateral


def connect_all(column: Block, source: Block) -> None:
    """Let every layer that may do so read all of an older block, with weights zero.

    That is a progressive network (Rusu et al. 2016). CGaP's own columns read what they share.

    Args:
        column: the reading block.
        source: the older block.
    """
    for name in column.layout.lateral_names:
        connect(column.layer(name), source)


@contextmanager
def frozen_norms(block: Block, names: Iterable[str]) -> Iterator[None]:
    """Let the named norm layers use, and not update, their running statistics."""
    norms = [block.body.get_submodule(name) for name in names]
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm, mode in zip(norms, modes, strict=True):
            norm.train(mode)
