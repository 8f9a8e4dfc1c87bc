"""Layers with a forward pass of their own: is each output still a sum over what is read?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import DENSE, Kind, kind_of, rows
from cgap_cl.errors import UnsupportedNetworkError

TOLERANCE = 1e-4  # relative, float32


@torch.no_grad()
def check_sum(name: str, layer: nn.Module, x: Tensor, y: Tensor, dim: int) -> None:
    """Refuse a conv or linear layer that is more than weights times what it reads.

    Weight standardisation, say: what a weight adds depends on the others, so that parts of the
    layer, each by itself, are not the layer. Another padding is no harm, and the weights
    within a group of a grouped convolution stay together.

    Args:
        name: of the layer.
        layer: conv or linear, without weights of other names.
        x: what it reads.
        y: what it gives.
        dim: the dimension of the channels in both.

    Raises:
        UnsupportedNetworkError: its parts by themselves do not add up to it.
    """
    kind = next(k for k in DENSE if isinstance(layer, k))
    methods = ("forward", "_conv_forward")
    if all(getattr(type(layer), m, None) is getattr(kind, m, None) for m in methods):
        return

    weight = layer.weight
    assert isinstance(weight, Tensor)
    kept = weight.clone()
    try:
        same = _rows_apart(layer, x, y, dim)
        weight.copy_(kept)
        same = same and (kind_of(layer) is Kind.GROUPED or _columns_apart(layer, x, y, dim))
    finally:
        weight.copy_(kept)
    if not same:
        raise UnsupportedNetworkError(
            name,
            f"{type(layer).__name__} is not computed as torch's {kind.__name__} is (its "
            "forward is more than a sum over inputs times weights)",
        )


def _rows_apart(layer: nn.Module, x: Tensor, y: Tensor, dim: int) -> bool:
    """Whether the first half of the outputs, or groups, does without the others' weights."""
    grouped = kind_of(layer) is Kind.GROUPED
    groups = int(layer.groups) if grouped else y.shape[dim]  # type: ignore[arg-type]
    half = groups // 2 * (y.shape[dim] // groups)
    weight = layer.weight if grouped else rows(layer, layer.weight)  # type: ignore[arg-type]
    weight[half:] = 0  # type: ignore[operator]
    return _close(layer.forward(x).narrow(dim, 0, half), y.narrow(dim, 0, half))


def _columns_apart(layer: nn.Module, x: Tensor, y: Tensor, dim: int) -> bool:
    """Whether two halves of the inputs, each with its own weights alone, add up."""
    weight, half = rows(layer, layer.weight), x.shape[dim] // 2  # type: ignore[arg-type]
    kept, left = weight.clone(), x.clone()
    left.narrow(dim, half, x.shape[dim] - half).zero_()
    weight[:, half:] = 0
    total = layer.forward(left)
    weight[:, :half], weight[:, half:] = 0, kept[:, half:]
    total = total + layer.forward(x - left)
    weight.zero_()
    return _close(total - layer.forward(x), y)  # the bias was added twice


def _close(one: Tensor, other: Tensor) -> bool:
    scale = float(other.abs().max()) if other.numel() else 0.0
    return scale == 0 or float((one - other).abs().max()) <= TOLERANCE * scale
