"""Layers like another one: the same geometry and settings, other channels, other values."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cgap_cl.blocks.layout import NORMS, Kind

Dense = nn.Conv2d | nn.Linear


def layer_like(layer: nn.Module, kind: Kind, n_in: int, n_out: int) -> nn.Module:
    """A fresh layer with other channel counts; a per-channel one has ``n_in`` of them.

    >>> layer_like(nn.Conv2d(3, 8, 3, padding=1), Kind.CONV, 4, 2)
    Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer_like(nn.BatchNorm2d(8, eps=0.1), Kind.NORM, 4, 4).eps
    0.1
    """
    if kind is Kind.NORM:
        return norm_like(layer, n_in)
    if kind is Kind.DEPTHWISE:
        assert isinstance(layer, nn.Conv2d)
        return conv_like(layer, n_in, n_in, layer.bias is not None, groups=n_in)
    assert isinstance(layer, Dense)
    return dense_like(layer, n_in, n_out, layer.bias is not None)


def dense_like(layer: Dense, n_in: int, n_out: int, bias: bool) -> Dense:
    """A fresh convolution or linear layer with other channel counts."""
    if isinstance(layer, nn.Conv2d):
        return conv_like(layer, n_in, n_out, bias)
    return nn.Linear(n_in, n_out, bias)


def conv_like(conv: nn.Conv2d, n_in: int, n_out: int, bias: bool, groups: int = 1) -> nn.Conv2d:
    """A fresh convolution with the same geometry and other channel counts."""
    return nn.Conv2d(
        n_in,
        n_out,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        groups,
        bias,
        conv.padding_mode,
    )


def norm_like(norm: nn.Module, n: int) -> nn.Module:
    """A fresh batch norm with the same settings and another channel count."""
    assert isinstance(norm, NORMS)
    # a subclass with torch's forward may have a constructor of its own: torch's class does
    kind = nn.BatchNorm2d if isinstance(norm, nn.BatchNorm2d) else nn.BatchNorm1d
    return kind(n, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)


def with_weights(layer: Dense, weight: Tensor, bias: Tensor | None) -> Dense:
    """A convolution or linear layer of the given weights ``(out, in, ...)``, copied, frozen."""
    n_out, n_in = weight.shape[:2]
    module = dense_like(layer, n_in, n_out, bias is not None)
    module.weight = nn.Parameter(weight.clone(), requires_grad=False)
    if bias is not None:
        module.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return module


def with_channels(
    layer: nn.Module, kind: Kind, n: int, tensors: Mapping[str, Tensor]
) -> nn.Module:
    """A batch norm or depthwise convolution of ``n`` channels and the tensors given by name."""
    module = layer_like(layer, kind, n, n)
    for name, tensor in tensors.items():
        trained = isinstance(getattr(module, name), nn.Parameter)
        setattr(module, name, nn.Parameter(tensor, requires_grad=False) if trained else tensor)
    return module


def replace(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put ``module`` where the submodule ``name`` is."""
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, module)
