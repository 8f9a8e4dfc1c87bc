"""Directions in which a newborn's gradient is largest: singular vectors of ``E[dL/dz h^T]``.

``h`` is what the units' producers read, ``dL/dz`` the gradient of what their consumers give, in
the last batch. See :mod:`cgap_cl.change.gradmax` for what they are used for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn import grad as grads

from cgap_cl.blocks.block import Block, PlasticLayer
from cgap_cl.blocks.layout import Kind, LayerLayout

EXACT = 512  # above this size, singular vectors by subspace iteration instead of a full SVD
ROUNDS = 8  # of that iteration


def record_gradients(column: Block, on: bool) -> None:
    """Let the column's layers keep their last input and the gradient of their last output."""
    for layer in column.plastic():
        layer.keeps = on
        layer.last = None


Parts = dict[str, Tensor]  # layer -> (newborns, ...), shaped like one unit's weights there


@dataclass(frozen=True)
class Directions:
    """Vectors of length 1, and mean and variance of what comes of the incoming ones.

    ``moments`` is None where no batch norm follows, or the producers' maps differ in size.
    """

    outgoing: Parts
    incoming: Parts
    moments: tuple[Tensor, Tensor] | None


def find_directions(
    column: Block, group: str, n: int, generator: torch.Generator
) -> Directions | None:
    """Directions for ``n`` newborns of a group, from the last batch; None without a batch."""
    producers, consumers = _ends(column, group)
    if not producers or not consumers:
        return None
    centred = bool(norms_of(column, group))
    raw = [_patches(column.layer(p.name)) for p in producers]
    inputs = [x - x.mean((0, 2, 3), keepdim=True) for x in raw] if centred else raw
    matrix = torch.cat([
        torch.cat([_product(column.layer(c.name), _repeat(c, group), x) for x in inputs], dim=1)
        for c in consumers
    ])  # fmt: skip
    left, right = singular_vectors(matrix, n, generator)
    shapes = [_outgoing_shape(column.layer(c.name), _repeat(c, group)) for c in consumers]
    outgoing = _cut(left, [c.name for c in consumers], shapes)
    shapes = [tuple(column.layer(p.name).own.weight.shape[1:]) for p in producers]
    incoming = _cut(-right, [p.name for p in producers], shapes)
    return Directions(outgoing, incoming, _moments(raw, -right) if centred else None)


def _moments(raw: list[Tensor], vectors: Tensor) -> tuple[Tensor, Tensor] | None:
    """Mean and variance of the units' values, each ``(newborns,)``."""
    if len({x.shape[2:] for x in raw}) > 1:
        return None
    values = torch.einsum("nphw,pu->unhw", torch.cat(raw, dim=1), vectors).flatten(1)
    return values.mean(1), values.var(1, unbiased=False)


def norms_of(column: Block, group: str) -> list[LayerLayout]:
    """Batch norms that act on the units of a group."""
    return [
        layer for layer in column.layout.layers
        if layer.kind is Kind.NORM and group in layer.inputs.positions_per_unit
    ]  # fmt: skip


def _ends(column: Block, group: str) -> tuple[list[LayerLayout], list[LayerLayout]]:
    """Producers and consumers of a group whose last batch is known and fits."""

    def known(layer: LayerLayout) -> bool:
        if not layer.dense:
            return False
        module = column.layer(layer.name)
        if module.last is None:
            return False
        sizes = module.last[0].shape[1], module.last[1].shape[1]
        return sizes == (module.own.weight.shape[1], module.own.weight.shape[0])

    layers = [layer for layer in column.layout.layers if known(layer)]
    producers = [
        layer for layer in layers
        if [(s.group, s.repeat) for s in layer.outputs] == [(group, 1)]
    ]  # fmt: skip
    consumers = [
        layer for layer in layers if sum(s.group == group for s in layer.inputs) == 1
    ]  # fmt: skip
    return producers, consumers


def _repeat(layer: LayerLayout, group: str) -> int:
    return next(s.repeat for s in layer.inputs if s.group == group)


def _padded(module: PlasticLayer, x: Tensor) -> Tensor:
    conv = module.own
    assert isinstance(conv, nn.Conv2d)
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    return functional.pad(x, conv._reversed_padding_repeated_twice, mode=mode)


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _patches(module: PlasticLayer) -> Tensor:
    """What one output unit of a producer reads: (N, weights of a unit, height, width)."""
    assert module.last is not None
    x, conv = _precise(module.last[0]), module.own
    if not isinstance(conv, nn.Conv2d):
        return x[:, :, None, None]
    patches = functional.unfold(
        _padded(module, x), conv.kernel_size, conv.dilation, 0, conv.stride
    )
    found: Tensor = patches.unflatten(2, tuple(module.last[1].shape[2:]))
    return found


def _product(module: PlasticLayer, repeat: int, x: Tensor) -> Tensor:
    """The consumer's block of M: (weights of one input unit, weights of one producer unit)."""
    assert module.last is not None
    read, grad = module.last[0], _precise(module.last[1])
    conv = module.own
    if not isinstance(conv, nn.Conv2d):
        x = functional.adaptive_avg_pool2d(x, _grid(repeat, x)).flatten(2)
        product: Tensor = torch.einsum("no,nir->ori", grad, x).flatten(0, 1)
        return product
    x = functional.adaptive_avg_pool2d(x, tuple(read.shape[2:]))  # type: ignore[arg-type]
    shape = (grad.shape[1], x.shape[1], *conv.kernel_size)
    weight: Tensor = grads.conv2d_weight(
        _padded(module, x), shape, grad, conv.stride, 0, conv.dilation
    )  # fmt: skip
    return weight.movedim(1, -1).flatten(0, 2)


def _grid(repeat: int, x: Tensor) -> tuple[int, int]:
    """Height and width of the map that was flattened: like the producer's if possible."""
    height = max(1, round(math.sqrt(repeat * x.shape[2] / x.shape[3])))
    return (height, repeat // height) if repeat % height == 0 else (repeat, 1)


def _outgoing_shape(module: PlasticLayer, repeat: int) -> tuple[int, ...]:
    n_out, _, *kernel = module.own.weight.shape
    return (n_out, *kernel) if kernel else (n_out, repeat)


def _cut(vectors: Tensor, names: list[str], shapes: list[tuple[int, ...]]) -> Parts:
    """Vectors (length, newborns) cut into tensors (newborns, *shape), one per layer."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = vectors.T.split(sizes, dim=1)
    return {
        name: part.reshape(-1, *shape)
        for name, part, shape in zip(names, parts, shapes, strict=True)
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
