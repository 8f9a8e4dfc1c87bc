"""Convolutions and pools of torch, along one or two axes."""

from functools import partial
from typing import Any

from torch import Tensor

from cgap_bench.shapes import forms
from cgap_bench.shapes.forms import LayerJSON, Pair, Size, axes
from cgap_bench.shapes.functions.roles import Role, Site, rule


@rule(Role.WEIGHTED, "conv2d", "conv1d")
def _convolution(  # noqa: PLR0913, PLR0917 - the arguments of torch
    site: Site,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> LayerJSON:
    """Along one axis it is a column: the kernel is as high as it is long, and 1 wide."""
    n = weight.ndim - 2
    kernel, apart = axes(tuple(weight.shape[2:]), n, 1), axes(dilation, n, 1)
    around = _padding(padding, kernel, apart, n)
    seen = forms.window(kernel, axes(stride, n, 1), around)
    # Only where there is one, so that older records keep their hashes.
    dilated = {} if apart == (1, 1) else {"dilation_h": apart[0], "dilation_w": apart[1]}
    extra = {"groups": groups, "bias": bias is not None}
    size, out = _items(x, n), _items(site.out, n)
    return forms.between("conv", site.name, size, out) | seen | dilated | extra


@rule(Role.WORK, "conv_transpose2d", "conv_transpose1d")
def _transposed(  # noqa: PLR0913, PLR0917 - the arguments of torch
    site: Site,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> LayerJSON:
    n = weight.ndim - 2
    kernel = axes(tuple(weight.shape[2:]), n, 1)
    steps = axes(stride, n, 1) if axes(dilation, n, 1) == (1, 1) else None
    n_out = weight.shape[1] * groups
    layer = forms.transposed(site.name, _items(x, n), n_out, kernel, steps, groups)
    return layer | {"bias": bias is not None}


@rule(Role.WORK, "convolution")
def _any_convolution(  # noqa: PLR0913, PLR0917 - the arguments of torch
    site: Site,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> LayerJSON | None:
    """What all convolutions are inside torch."""
    if weight.ndim > 4:
        return None
    if transposed:
        last = (output_padding, groups, dilation)
        return _transposed(site, x, weight, bias, stride, padding, *last)
    return _convolution(site, x, weight, bias, stride, padding, dilation, groups)


def _pool(  # noqa: PLR0913, PLR0917 - the arguments of torch
    n: int,
    kind: str,
    site: Site,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *_: Any,
    **__: Any,
) -> LayerJSON:
    kernel = axes(kernel_size, n, 1)
    seen = (kernel, axes(stride or kernel_size, n, 1), axes(padding or 0, n, 0))
    return forms.pool(site.name, kind, _items(x, n), _items(site.out, n), seen)


def _adaptive_pool(n: int, kind: str, site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON:
    """Kernel and stride of an adaptive pool follow from the two sizes."""
    size, out = _items(x, n), _items(site.out, n)
    read, written = forms.extent(size), forms.extent(out)
    kernel = (max(1, read.height // written.height), max(1, read.width // written.width))
    return forms.pool(site.name, kind, size, out, (kernel, kernel, (0, 0)))


for n_axes in (1, 2):
    rule(Role.SELECTION, f"max_pool{n_axes}d")(partial(_pool, n_axes, "max"))
    rule(Role.WORK, f"avg_pool{n_axes}d")(partial(_pool, n_axes, "avg"))
    rule(Role.SELECTION, f"adaptive_max_pool{n_axes}d")(partial(_adaptive_pool, n_axes, "max"))
    rule(Role.WORK, f"adaptive_avg_pool{n_axes}d")(partial(_adaptive_pool, n_axes, "avg"))


def _items(x: Tensor, n: int) -> Size:
    """Size of a map of n axes as items, channels and axes; one item may come without."""
    return (1, *x.shape) if x.ndim == n + 1 else tuple(x.shape)


def _padding(padding: Any, kernel: Pair, dilation: Pair, n: int) -> Pair:
    if padding == "valid":
        return (0, 0)
    if padding == "same":
        return (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    return axes(padding, n, 0)
