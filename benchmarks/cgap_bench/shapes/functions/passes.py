"""Norms, sums, products by element and reductions of torch: passes over maps."""

from typing import Any

from torch import Tensor

from cgap_bench.shapes import forms
from cgap_bench.shapes.forms import LayerJSON
from cgap_bench.shapes.functions.roles import Role, Site, rule


@rule(Role.NORM, "batch_norm")
@rule(Role.WORK, "layer_norm", "group_norm", "instance_norm", "local_response_norm")
@rule(Role.WORK, "rms_norm", "normalize")
@rule(Role.WORK, "native_layer_norm", "native_group_norm", "native_batch_norm")
def _norm(site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON:
    return _pass(site)


def norm_of_batch(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> bool:
    """Whether a call of batch norm takes the batch's own statistics: no weights hold those."""
    return training


@rule(Role.WORK, "mul", "div", "truediv", "pow", "maximum", "minimum", "where", "masked_fill")
def _product(site: Site, *_: Any, **__: Any) -> LayerJSON:
    """One pass over the map that is written; a factor may be smaller (a gate a channel)."""
    return _pass(site)


@rule(Role.WORK, "add", "sub")
def _sum(site: Site, *_: Any, **__: Any) -> LayerJSON:
    """A sum of two maps, or one pass where the other term is a constant."""
    if len(site.maps) > 1:
        return forms.between("add", "sum", site.out.shape, site.out.shape)
    return _pass(site)


@rule(Role.WORK, "interpolate", "upsample")
def _resize(site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON:
    return forms.between("elementwise", site.name, x.shape, site.out.shape)


@rule(Role.WORK, "mean")
def _mean(site: Site, x: Tensor, dim: Any = None, *_: Any, **__: Any) -> LayerJSON:
    return _reduced(site, "avg", x, dim)


@rule(Role.WORK, "sum")
def _total(site: Site, x: Tensor, dim: Any = None, *_: Any, **__: Any) -> LayerJSON:
    return _reduced(site, "avg", x, dim)


@rule(Role.SELECTION, "amax", "amin")
def _greatest(site: Site, x: Tensor, dim: Any = (), *_: Any, **__: Any) -> LayerJSON:
    return _reduced(site, "max", x, dim)


def _reduced(site: Site, kind: str, x: Tensor, dim: Any) -> LayerJSON:
    axes = () if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    return forms.reduction(site.name, kind, tuple(x.shape), axes)


def _pass(site: Site) -> LayerJSON:
    return forms.between("elementwise", site.name, site.out.shape, site.out.shape)
