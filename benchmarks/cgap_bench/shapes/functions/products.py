"""Matrix products of torch: with weights, between maps, and in every step of a recurrence."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cgap_bench.shapes import forms
from cgap_bench.shapes.forms import LayerJSON
from cgap_bench.shapes.functions.roles import Layers, Role, Site, rule


@rule(Role.WEIGHTED, "linear")
def _linear(site: Site, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> LayerJSON:
    columns, depth = weight.shape
    return forms.weighted(site.name, x.shape[:-1], depth, columns, bias=bias is not None)


@rule(Role.WORK, "mm")
def _product(site: Site, left: Tensor, right: Tensor, *, bias: bool = False) -> LayerJSON:
    """(rows, depth) by (depth, columns); what is no map is weights."""
    (rows, depth), columns = left.shape, right.shape[1]
    if site.reads(left) and site.reads(right):
        return forms.products(site.name, 1, rows, depth, columns)
    if site.reads(left):
        return forms.weighted(site.name, (rows,), depth, columns, bias=bias)
    return forms.weighted(site.name, (columns,), depth, rows, bias=bias)


@rule(Role.WORK, "addmm")
def _product_and_sum(
    site: Site, added: Tensor, left: Tensor, right: Tensor, **_: Any
) -> LayerJSON:
    return _product(site, left, right, bias=not site.reads(added))


@rule(Role.WORK, "bmm")
def _batch_of_products(
    site: Site, left: Tensor, right: Tensor, *, bias: bool = False
) -> LayerJSON:
    """(count, rows, depth) by (count, depth, columns)."""
    (count, rows, depth), columns = left.shape, right.shape[2]
    if site.reads(left) and site.reads(right):
        return forms.products(site.name, count, rows, depth, columns)

    if site.reads(right):  # the same, with the sides exchanged
        left, right, rows, columns = right, left, columns, rows
    if right.stride(0) == 0:  # one matrix of weights, expanded
        return forms.weighted(site.name, (count, rows), depth, columns, bias=bias)
    return forms.weighted_apart(site.name, count, rows, depth, columns) | {"bias": bias}


@rule(Role.WORK, "baddbmm")
def _batch_of_products_and_sum(
    site: Site, added: Tensor, left: Tensor, right: Tensor, **_: Any
) -> LayerJSON:
    return _batch_of_products(site, left, right, bias=not site.reads(added))


@rule(Role.WORK, "lstm", "gru", "rnn_tanh", "rnn_relu")
def _recurrent(  # noqa: PLR0913, PLR0917 - the arguments of torch
    site: Site,
    x: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    has_bias: bool,
    n_layers: int,
    dropout: float,
    training: bool,
    both_ways: bool,
    batch_first: bool,
) -> Layers | None:
    """Padded sequences; packed ones have other arguments and no one length."""
    if not isinstance(has_bias, bool) or x.ndim != 3:
        return None
    items, steps = x.shape[:2] if batch_first else (x.shape[1], x.shape[0])
    matrices = [(w.shape[0], w.shape[1]) for w in weights if w.ndim == 2]
    each = len(matrices) // (n_layers * (2 if both_ways else 1))

    layers: Layers = []
    for start in range(0, len(matrices), each):
        cell = matrices[start : start + each]
        layers += forms.recurrent(site.name, steps, items, cell)
    return layers
