"""Layers like another one: the same class and settings, other channels, other values."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import DENSE_KINDS, TRANSPOSED, Dense, Kind, rows, set_sizes


def layer_like(
    layer: nn.Module, kind: Kind, n_in: int, n_out: int, bias: bool = True
) -> nn.Module:
    """A fresh layer with other channel counts; one that is not dense has ``n_in`` of them.

    A copy with other tensors: whatever constructor a subclass has, its settings stay.

    >>> layer_like(nn.Conv2d(3, 8, 3, padding=1), Kind.CONV, 4, 2)
    Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer_like(nn.BatchNorm2d(8, eps=0.1), Kind.CHANNEL, 4, 4).eps
    0.1
    """
    fresh = copy.deepcopy(layer)
    if not bias:
        fresh.bias = None  # type: ignore[assignment]
    n_out = n_out if kind in DENSE_KINDS else n_in
    own = (*fresh.named_parameters(recurse=False), *fresh.named_buffers(recurse=False))
    for name, old in own:
        shape = _shape(layer, kind, old, n_in, n_out)
        new = torch.empty(shape, dtype=None if old.is_floating_point() else old.dtype)
        setattr(fresh, name, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)
    if kind is not Kind.SCALAR:
        set_sizes(fresh, kind, n_in, n_out)
    if hasattr(fresh, "reset_parameters"):
        fresh.reset_parameters()  # type: ignore[operator]
    return fresh


def _shape(layer: nn.Module, kind: Kind, old: Tensor, n_in: int, n_out: int) -> list[int]:
    """The shape of one of a layer's tensors at other channel counts."""
    shape = list(old.shape)
    if not shape or kind is Kind.SCALAR:
        return shape
    if kind in DENSE_KINDS and len(shape) > 1:
        ends = (n_in, n_out) if isinstance(layer, TRANSPOSED) else (n_out, n_in)
        return [*ends, *shape[2:]]
    return [n_out, *shape[1:]]


def with_weights(layer: Dense, weight: Tensor, bias: Tensor | None) -> Dense:
    """A conv or linear layer of the given weights ``(out, in, ...)``, copied, frozen."""
    module = copy.deepcopy(layer)
    n_out, n_in = weight.shape[:2]
    own = rows(layer, weight)
    own = own.clone() if own is weight else own.contiguous()
    bias = None if bias is None else nn.Parameter(bias.clone(), requires_grad=False)

    # as many random numbers go as a new layer draws: records made when it was one stay right
    module.weight = nn.Parameter(torch.empty(own.shape))
    module.bias = None if bias is None else nn.Parameter(torch.empty(bias.shape))
    module.reset_parameters()
    module.weight, module.bias = nn.Parameter(own, requires_grad=False), bias
    set_sizes(module, Kind.CONV, n_in, n_out)
    return module


def with_channels(
    layer: nn.Module, kind: Kind, n: int, tensors: Mapping[str, Tensor]
) -> nn.Module:
    """A layer that is not dense, of ``n`` channels and the tensors given by name."""
    module = layer_like(layer, kind, n, n)
    for name, tensor in tensors.items():
        trained = isinstance(getattr(module, name), nn.Parameter)
        setattr(module, name, nn.Parameter(tensor, requires_grad=False) if trained else tensor)
    return module


def replace(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put ``module`` where the submodule ``name`` is."""
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, module)
