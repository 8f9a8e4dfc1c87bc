"""From blocks to plain modules: the subnetwork of one task, and the merged dense network.

Both are the reference architecture with every group's units of all blocks concatenated, oldest
block first. A subnetwork runs one dense operation per block and layer and leaves the zero
blocks out; the merged network writes them out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.blockwise import BlockwiseLayer
from cgap_cl.blocks.closure import Kept, closure, everything
from cgap_cl.blocks.frozen import frozen_layers
from cgap_cl.blocks.kinds import Dense, Kind, channel_tensors, rows
from cgap_cl.blocks.layers_alike import replace, with_channels, with_weights
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout


def subnetwork(
    skeleton: nn.Module, layout: Layout, blocks: Sequence[Block], last: int
) -> nn.Module:
    """Plain module that gives the logits of block ``last``, minimal by backward closure."""
    kept = closure(blocks, layout, last)
    return _Composer(skeleton, layout, blocks, kept, heads=(last,)).build(dense=False)


def merged(skeleton: nn.Module, layout: Layout, blocks: Sequence[Block]) -> nn.Module:
    """One plain dense module; its outputs are the heads of all blocks, oldest first."""
    kept = everything(blocks)
    return _Composer(skeleton, layout, blocks, kept, heads=tuple(kept)).build(dense=True)


@dataclass(frozen=True)
class _Places:
    """Where the positions of each block's axis are in the composed axis.

    Two blocks with the axis ``a a | b`` (two segments) make the composed axis
    ``a0 a0 a1 a1 | b0 b1``: segment by segment, and in each segment block by block, as the
    operations between the layers (a concat, a flatten) leave them. What is computed block by
    block, ``a0 a0 b0 | a1 a1 b1``, still has to be put in that :attr:`order`.

    Attributes:
        by_block: block -> int64, place of each position of that block's axis; -1: left out.
    """

    by_block: Mapping[int, Tensor]

    def kept(self, block: int) -> Tensor:
        """Positions of the block's axis that are in the composed one, ascending."""
        return (self.by_block[block] >= 0).nonzero().flatten()

    @property
    def order(self) -> Tensor | None:
        """Which of the positions block by block is at each place; None: they are in order."""
        places = torch.cat([places[places >= 0] for places in self.by_block.values()])
        order = places.argsort()  # the inverse of a permutation is what sorts it
        return None if bool((order[1:] > order[:-1]).all()) else order

    @property
    def length(self) -> int:
        """Number of positions of the composed axis."""
        return sum(int((places >= 0).sum()) for places in self.by_block.values())


@dataclass(frozen=True)
class _Part:
    """One block's part of a layer.

    Attributes:
        reads: int64, ascending, positions of the composed input that it reads.
        weight: ``(out, len(reads), ...)``.
        bias: ``(out,)`` or None.
    """

    reads: Tensor
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class _ComposedLayer:
    """A conv or linear layer of several blocks, before it is a module.

    Attributes:
        like: a layer of the same geometry.
        parts: oldest first.
        n_in: positions of the composed input.
        order: which of the parts' outputs is at each place; None: they are in order.
        dim: the dimension that the positions are along.
    """

    like: Dense
    parts: Sequence[_Part]
    n_in: int
    order: Tensor | None
    dim: int

    def blockwise(self) -> nn.Module:
        """One operation per block; a plain layer where one block reads everything."""
        layer = self._layer()
        if (
            len(self.parts) == 1
            and len(self.parts[0].reads) == self.n_in
            and self.order is None
        ):
            return layer.ops[0]
        return layer

    def dense(self) -> nn.Module:
        """One operation with the zero blocks written out."""
        with torch.random.fork_rng(devices=[]):  # its parts are on the way: they draw nothing
            layer = self._layer()
        return layer.dense()

    def _layer(self) -> BlockwiseLayer:
        modules = [with_weights(self.like, part.weight, part.bias) for part in self.parts]
        reads = [part.reads for part in self.parts]
        return BlockwiseLayer(modules, reads, self.n_in, self.order, self.dim)


@dataclass(frozen=True)
class _Composer:
    """Puts the kept units of several blocks into one module."""

    skeleton: nn.Module
    layout: Layout
    blocks: Sequence[Block]
    kept: Kept
    heads: Sequence[int]

    def build(self, dense: bool) -> nn.Module:
        """The composed module, in eval mode, gradients off."""
        body = copy.deepcopy(self.skeleton)
        for layer in self.layout.layers:
            if layer.dense:
                composed = self.composed(layer)
                replace(body, layer.name, composed.dense() if dense else composed.blockwise())
            elif (places := self.places(layer.inputs)).length:
                self.put(body, layer, places)

        like = next(iter(self.blocks[next(iter(self.kept))].parameters()))
        for name, frozen in [*frozen_layers(body)]:  # a copy: plain modules own their layers
            replace(body, name, frozen.layer.to(like))
        for parameter in body.parameters():
            parameter.requires_grad_(False)
        return body.eval()

    def places(self, axis: Axis) -> _Places:
        """Where the kept units of an axis without fixed positions are."""
        widths = {block: self.blocks[block].widths for block in self.kept}
        places = {block: torch.full((axis.length(w),), -1) for block, w in widths.items()}
        spans = [axis.spans(w) for w in widths.values()]
        stop = 0
        for of_blocks in zip(*spans, strict=True):  # one segment, of every block
            for block, (segment, start, _) in zip(self.kept, of_blocks, strict=True):
                units = self.kept[block].get(str(segment.group), [])
                own = segment.positions(start, torch.tensor(units, dtype=torch.int64))
                places[block][own] = torch.arange(stop, stop + len(own))
                stop += len(own)
        return _Places(places)

    def composed(self, layer: LayerLayout) -> _ComposedLayer:
        """A conv or linear layer of all blocks that have a kept output there."""
        inputs = None if layer.raw else self.places(layer.inputs)
        outputs = None if layer.name == self.layout.head else self.places(layer.outputs)
        like = self.blocks[next(iter(self.kept))].layer(layer.name).own

        parts = []
        for block in self.kept:
            kept = self.classes(block) if outputs is None else outputs.kept(block)
            if len(kept):
                parts.append(self.part(layer, block, kept, inputs))

        n_in = layer.inputs.n_fixed if inputs is None else inputs.length
        order = None if outputs is None else outputs.order
        device = like.weight.device
        order = None if order is None else order.to(device)
        return _ComposedLayer(like, parts, n_in, order, layer.dim)

    def classes(self, block: int) -> Tensor:
        """Rows of the block's head that are kept: all or none."""
        n_classes = len(self.blocks[block].head.own.weight)
        return torch.arange(n_classes if block in self.heads else 0)

    def part(
        self, layer: LayerLayout, block: int, kept: Tensor, inputs: _Places | None
    ) -> _Part:
        """The given rows of a block's layer; without ``inputs`` it reads the raw input."""
        module = self.blocks[block].layer(layer.name)
        own = module.own
        kept = kept.to(own.weight.device)
        bias = None if own.bias is None else own.bias.detach()[kept]
        weights = [rows(own, own.weight.detach())[kept]]
        if inputs is None:
            n_in = weights[0].shape[1]
            return _Part(torch.arange(n_in, device=kept.device), weights[0], bias)

        reads = [inputs.by_block[block]]
        for source, lateral in module.sources():
            reads.append(inputs.by_block[source][lateral.index.cpu()])
            weights.append(rows(own, lateral.op.weight.detach())[kept])
        # own inputs and laterals are mixed in the composed axis: columns in its order
        index, order = (t.to(kept.device) for t in torch.cat(reads).sort())
        return _Part(index, torch.cat(weights, dim=1)[:, order].contiguous(), bias)

    def put(self, body: nn.Module, layer: LayerLayout, places: _Places) -> None:
        """Give a layer that is not dense the concatenated units."""
        there = {b: places.kept(b) for b in self.kept if len(places.kept(b))}
        if layer.kind in (Kind.BLOCK, Kind.SCALAR):
            own = {b: self.blocks[b].body.get_submodule(layer.name) for b in there}
            replace(body, layer.name, self.together(layer, own, places))
            return

        tensors: dict[str, list[Tensor]] = {}
        for block, kept in there.items():
            source = self.blocks[block].body
            for owner, name in channel_tensors(source, layer.name, layer.kind):
                tensors.setdefault(name, []).append(getattr(owner, name).detach()[kept])
        order = slice(None) if places.order is None else places.order
        joined = {name: torch.cat(parts)[order] for name, parts in tensors.items()}
        if layer.kind is Kind.PARAMETER:
            for owner, name in channel_tensors(body, layer.name, layer.kind):
                setattr(owner, name, nn.Parameter(joined[name], requires_grad=False))
        else:
            like = body.get_submodule(layer.name)
            composed = with_channels(like, layer.kind, places.length, joined)
            replace(body, layer.name, composed)

    @staticmethod
    def together(
        layer: LayerLayout, own: Mapping[int, nn.Module], places: _Places
    ) -> nn.Module:
        """What each block does by itself to its channels, whatever is in the others."""
        modules = [copy.deepcopy(module) for module in own.values()]
        if len(modules) == 1:
            return modules[0]
        device = next((t.device for m in modules for t in m.parameters()), None)
        reads = [places.by_block[block][places.kept(block)].to(device) for block in own]
        order = None if places.order is None else places.order.to(device)
        return BlockwiseLayer(modules, reads, places.length, order, layer.dim)
