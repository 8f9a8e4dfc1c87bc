"""Directions in which a newborn's gradient is largest: singular vectors of ``E[dL/dz h^T]``.

``h`` is what the units' producers read, ``dL/dz`` the gradient of what their consumers give, in
the last batch. See :mod:`cgap_cl.change.gradmax` for what they are used for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn import grad as grads

from cgap_cl.blocks.block import Block, PlasticLayer
from cgap_cl.blocks.layout import Axis, Kind, LayerLayout, Segment
from cgap_cl.blocks.observing import LastBatch

EXACT = 512  # above this size, singular vectors by subspace iteration instead of a full SVD
ROUNDS = 8  # of that iteration

Parts = dict[str, Tensor]  # layer -> (newborns, ...), shaped like one unit's weights there


@dataclass(frozen=True)
class Directions:
    """Vectors of length 1, and mean and variance of what comes of the incoming ones.

    ``moments`` is None where no batch norm follows, or the producers' maps differ in size.
    """

    outgoing: Parts
    incoming: Parts
    moments: tuple[Tensor, Tensor] | None


@dataclass(frozen=True, eq=False)
class _End:
    """A producer or consumer of a group: its layer, and its part in the last batch.

    ``x``: its input ``(N, in, ...)``; ``gradient``: its output's ``(N, out, ...)``.
    """

    layout: LayerLayout
    module: PlasticLayer
    x: Tensor
    gradient: Tensor

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def fits(self) -> bool:
        """Whether the layer still has the widths that it had in the last batch."""
        weight = self.module.own.weight
        return (self.gradient.shape[1], self.x.shape[1]) == tuple(weight.shape[:2])


def find_directions(
    column: Block, batch: LastBatch, group: str, n: int, generator: torch.Generator
) -> Directions | None:
    """Directions for ``n`` newborns of a group, from the last batch; None without a batch."""
    producers, consumers = _ends(column, batch, group)
    if not producers or not consumers:
        return None

    # a norm takes the mean away, so what the units read counts without its own
    centred = bool(norms_of(column, group))
    raw = [_patches(producer) for producer in producers]
    inputs = [x - x.mean((0, 2, 3), keepdim=True) for x in raw] if centred else raw

    # several producers or consumers: the blocks of M side by side, one above the other
    repeats = [consumer.layout.inputs.positions_per_unit[group] for consumer in consumers]
    rows = [
        torch.cat([_product(consumer, repeat, x) for x in inputs], dim=1)
        for consumer, repeat in zip(consumers, repeats, strict=True)
    ]
    left, right = singular_vectors(torch.cat(rows), n, generator)

    outgoing = {
        consumer.name: _outgoing_shape(consumer.module, repeat)
        for consumer, repeat in zip(consumers, repeats, strict=True)
    }
    incoming = {p.name: tuple(p.module.own.weight.shape[1:]) for p in producers}
    return Directions(
        _cut(left, outgoing),
        _cut(-right, incoming),  # down the gradient
        _moments(raw, -right) if centred else None,
    )


def _moments(raw: list[Tensor], vectors: Tensor) -> tuple[Tensor, Tensor] | None:
    """Mean and variance of the units' values, each ``(newborns,)``."""
    if len({x.shape[2:] for x in raw}) > 1:
        return None
    values = torch.einsum("nphw,pu->unhw", torch.cat(raw, dim=1), vectors).flatten(1)
    return values.mean(1), values.var(1, unbiased=False)


def norms_of(column: Block, group: str) -> list[LayerLayout]:
    """Batch norms that act on the units of a group."""
    norms = [layer for layer in column.layout.layers if layer.kind is Kind.NORM]
    return [norm for norm in norms if group in norm.inputs.positions_per_unit]


def _ends(column: Block, batch: LastBatch, group: str) -> tuple[list[_End], list[_End]]:
    """Producers and consumers of a group whose last batch is there and fits."""
    dense = [layer for layer in column.layout.layers if layer.name in batch.ends]
    ends = [_End(layer, column.layer(layer.name), *batch.ends[layer.name]) for layer in dense]
    ends = [end for end in ends if end.fits]

    # a unit of a flattened or concatenated output is no single row: such layers are left out
    producers = [end for end in ends if end.layout.outputs == Axis((Segment(group, 1),))]
    consumers = [end for end in ends if sum(s.group == group for s in end.layout.inputs) == 1]
    return producers, consumers


def _padded(module: PlasticLayer, x: Tensor) -> Tensor:
    conv = module.own
    assert isinstance(conv, nn.Conv2d)
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    return functional.pad(x, conv._reversed_padding_repeated_twice, mode=mode)


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _patches(producer: _End) -> Tensor:
    """What one output unit of a producer reads: (N, weights of a unit, height, width)."""
    x, conv = _precise(producer.x), producer.module.own
    if not isinstance(conv, nn.Conv2d):
        return x[:, :, None, None]
    padded = _padded(producer.module, x)
    patches = functional.unfold(padded, conv.kernel_size, conv.dilation, 0, conv.stride)
    by_place: Tensor = patches.unflatten(2, tuple(producer.gradient.shape[2:]))
    return by_place


def _product(consumer: _End, repeat: int, x: Tensor) -> Tensor:
    """The consumer's block of M: (weights of one input unit, weights of one producer unit)."""
    gradient, conv = _precise(consumer.gradient), consumer.module.own
    if not isinstance(conv, nn.Conv2d):
        x = functional.adaptive_avg_pool2d(x, _grid(repeat, x)).flatten(2)
        product: Tensor = torch.einsum("no,nir->ori", gradient, x).flatten(0, 1)
        return product

    # the gradient of a convolution's weight is the product wanted, with patches for an input
    size = tuple(consumer.x.shape[2:])
    x = functional.adaptive_avg_pool2d(x, size)  # type: ignore[arg-type]
    shape = (gradient.shape[1], x.shape[1], *conv.kernel_size)
    padded = _padded(consumer.module, x)
    weight: Tensor = grads.conv2d_weight(padded, shape, gradient, conv.stride, 0, conv.dilation)
    return weight.movedim(1, -1).flatten(0, 2)


def _grid(repeat: int, x: Tensor) -> tuple[int, int]:
    """Height and width of the map that was flattened: like the producer's if possible."""
    height = max(1, round(math.sqrt(repeat * x.shape[2] / x.shape[3])))
    return (height, repeat // height) if repeat % height == 0 else (repeat, 1)


def _outgoing_shape(module: PlasticLayer, repeat: int) -> tuple[int, ...]:
    n_out, _, *kernel = module.own.weight.shape
    return (n_out, *kernel) if kernel else (n_out, repeat)


def _cut(vectors: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> Parts:
    """Vectors (length, newborns) cut into tensors (newborns, *shape), one per layer."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = vectors.T.split(sizes, dim=1)
    return {
        name: part.reshape(-1, *shape)
        for part, (name, shape) in zip(parts, shapes.items(), strict=True)
    }


def singular_vectors(
    matrix: Tensor, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Top ``n`` left and right singular vectors, ``(rows, n)`` and ``(columns, n)``.

    Beyond the rank they are random vectors of length 1.

    Args:
        matrix: ``(rows, columns)``.
        n: how many.
        generator: on the CPU.
    """
    rank = min(n, *matrix.shape)
    if min(matrix.shape) <= EXACT:
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        left, right = left[:, :rank], right[:rank].T
    else:
        right = torch.randn(matrix.shape[1], rank + 4, generator=generator).to(matrix)
        for _ in range(ROUNDS):
            left, _ = torch.linalg.qr(matrix @ right)
            right, _ = torch.linalg.qr(matrix.T @ left)
        turn, _, back = torch.linalg.svd(left.T @ matrix @ right)
        left, right = (left @ turn)[:, :rank], (right @ back.T)[:, :rank]
    return _filled(left, n, generator), _filled(right, n, generator)


def _filled(vectors: Tensor, n: int, generator: torch.Generator) -> Tensor:
    more = torch.randn(len(vectors), n - vectors.shape[1], generator=generator).to(vectors)
    return torch.cat([vectors, functional.normalize(more, dim=0)], dim=1)
