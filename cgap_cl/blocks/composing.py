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

from cgap_cl.blocks.block import Block, conv_like, norm_like, replace
from cgap_cl.blocks.blockwise import BlockwiseLayer
from cgap_cl.blocks.closure import Kept, closure, everything
from cgap_cl.blocks.layout import Axis, LayerLayout, Layout, Segment


@dataclass(frozen=True)
class _Op:
    """One block's part of a layer: what it reads of the composed input, its weights."""

    block: int
    index: Tensor
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class _Composer:
    """Puts the kept units of several blocks into one module."""

    skeleton: nn.Module
    layout: Layout
    blocks: Sequence[Block]
    kept: Kept
    heads: Sequence[int]

    @property
    def device(self) -> torch.device:
        return self.blocks[0].head.own.weight.device

    def widths(self, block: int) -> dict[str, int]:
        return {g: len(self.kept.get(block, {}).get(g, [])) for g in self.layout.widths}

    def places(self, axis: Axis) -> dict[tuple[int, int, int], int]:
        """(block, segment, unit) -> first position in the composed axis."""
        place: dict[tuple[int, int, int], int] = {}
        position = 0
        for number, segment in enumerate(axis):
            assert segment.group is not None
            for block in self.kept:
                for unit in self.kept[block].get(segment.group, []):
                    place[block, number, unit] = position
                    position += segment.repeat
        return place

    def length(self, axis: Axis) -> int:
        return axis.n_fixed or sum(axis.length(self.widths(block)) for block in self.kept)

    def units(self, block: int, segment: Segment) -> Tensor:
        """The kept units of a block in a segment, int64, ascending."""
        kept = self.kept[block].get(str(segment.group), [])
        return torch.tensor(kept, dtype=torch.int64)

    def rows(self, layer: LayerLayout, block: int) -> Tensor:
        """Rows of a block's own weight that are kept."""
        if layer.name == self.layout.head:
            n_classes = self.blocks[block].head.own.weight.shape[0]
            return torch.arange(n_classes if block in self.heads else 0)
        return torch.cat(
            [
                segment.positions(start, self.units(block, segment))
                for segment, start, _ in layer.outputs.spans(self.blocks[block].widths)
            ]
        )

    def op(self, layer: LayerLayout, block: int) -> _Op | None:
        """The block's operation in that layer, or None if none of its outputs is kept."""
        module = self.blocks[block].layer(layer.name)
        rows = self.rows(layer, block).to(module.own.weight.device)
        if rows.numel() == 0:
            return None
        bias = None if module.own.bias is None else module.own.bias.detach()[rows]
        if layer.raw:
            weight = module.own.weight.detach()[rows]
            return _Op(block, torch.arange(weight.shape[1], device=weight.device), weight, bias)
        place = self.places(layer.inputs)
        own = layer.inputs.owners(self.blocks[block].widths)
        columns = [place[block, o.segment, o.unit] + o.offset for o in own]
        weights = [module.own.weight.detach()[rows]]
        for source, lateral in module.sources():
            theirs = layer.inputs.owners(self.blocks[source].widths)
            read = (theirs[position] for position in lateral.index.tolist())
            columns += [place[source, o.segment, o.unit] + o.offset for o in read]
            weights.append(lateral.op.weight.detach()[rows])
        index = torch.tensor(columns, dtype=torch.int64, device=rows.device)
        index, order = index.sort()
        return _Op(block, index, torch.cat(weights, dim=1)[:, order].contiguous(), bias)

    def output_order(self, layer: LayerLayout) -> Tensor | None:
        """Permutation from block-major, as computed, to segment-major; None if equal."""
        if len(layer.outputs.segments) == 1 or len(self.kept) == 1:
            return None
        given = [
            (number, block, k)
            for block in self.kept
            for number, segment in enumerate(layer.outputs)
            for k in range(segment.repeat * len(self.units(block, segment)))
        ]
        order = sorted(range(len(given)), key=given.__getitem__)
        return torch.tensor(order, dtype=torch.int64, device=self.device)

    def per_channel(self, layer: LayerLayout) -> nn.Module:
        """Batch norm or depthwise convolution over the concatenated units."""
        parts: dict[str, list[Tensor]] = {}
        template = self.blocks[next(iter(self.kept))].body.get_submodule(layer.name)
        names = [
            n
            for n in ("weight", "bias", "running_mean", "running_var")
            if getattr(template, n, None) is not None
        ]
        spans = [layer.inputs.spans(self.blocks[block].widths) for block in self.kept]
        for side_by_side in zip(*spans, strict=True):  # one segment, of every block
            for block, (segment, start, _) in zip(self.kept, side_by_side, strict=True):
                module = self.blocks[block].body.get_submodule(layer.name)
                rows = segment.positions(start, self.units(block, segment))
                for name in names:
                    tensor = getattr(module, name).detach()
                    parts.setdefault(name, []).append(tensor[rows.to(tensor.device)])
        vectors = {name: torch.cat(tensors) for name, tensors in parts.items()}
        return _per_channel_module(template, vectors, self.length(layer.inputs))

    def build(self, dense: bool) -> nn.Module:
        """The composed module, in eval mode, gradients off."""
        body = copy.deepcopy(self.skeleton)
        for layer in self.layout.layers:
            if not layer.dense:
                if self.length(layer.inputs):
                    replace(body, layer.name, self.per_channel(layer))
                continue
            ops = [op for block in self.kept if (op := self.op(layer, block)) is not None]
            n_in = self.length(layer.inputs)
            like = self.blocks[ops[0].block].layer(layer.name).own
            order = self.output_order(layer)
            replace(
                body,
                layer.name,
                _dense_layer(ops, like, n_in, order)
                if dense
                else _blockwise(ops, like, n_in, order),
            )
        for parameter in body.parameters():
            parameter.requires_grad_(False)
        return body.eval()


def _per_channel_module(
    template: nn.Module, tensors: Mapping[str, Tensor], n: int
) -> nn.Module:
    """A batch norm or depthwise convolution like the template with other vectors."""
    module: nn.Module
    if isinstance(template, nn.Conv2d):
        module = conv_like(template, n, n, groups=n)
    else:
        module = norm_like(template, n)
    for name, tensor in tensors.items():
        fresh = (
            nn.Parameter(tensor, requires_grad=False)
            if isinstance(getattr(module, name), nn.Parameter)
            else tensor
        )
        setattr(module, name, fresh)
    return module


def _plain(like: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """A Conv2d or Linear like ``like`` with the given weights."""
    n_out, n_in = weight.shape[:2]
    module: nn.Conv2d | nn.Linear
    if isinstance(like, nn.Conv2d):
        module = conv_like(like, n_in, n_out, bias=bias is not None)
    else:
        module = nn.Linear(n_in, n_out, bias is not None)
    module.weight = nn.Parameter(weight.clone(), requires_grad=False)
    if bias is not None:
        module.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return module


def _blockwise(
    ops: Sequence[_Op], like: nn.Module, n_in: int, order: Tensor | None
) -> nn.Module:
    """One operation per block; a plain layer where one block reads everything."""
    modules = [_plain(like, op.weight, op.bias) for op in ops]
    if len(ops) == 1 and len(ops[0].index) == n_in and order is None:
        return modules[0]
    return BlockwiseLayer(modules, [op.index for op in ops], n_in, order)


def _dense_layer(
    ops: Sequence[_Op], like: nn.Module, n_in: int, order: Tensor | None
) -> nn.Module:
    """One operation with the zero blocks written out."""
    rows = []
    for op in ops:
        full = op.weight.new_zeros((op.weight.shape[0], n_in, *op.weight.shape[2:]))
        rows.append(full.index_copy(1, op.index, op.weight))
    weight = torch.cat(rows)
    bias = (
        None
        if ops[0].bias is None
        else torch.cat([op.bias for op in ops if op.bias is not None])
    )
    if order is not None:
        weight = weight[order]
        bias = None if bias is None else bias[order]
    return _plain(like, weight, bias)


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
