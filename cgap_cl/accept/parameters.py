"""Bare parameters: one value per channel, as of layer scale; found by what they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import LAYERS, Kind
from cgap_cl.blocks.layout import Axis, LayerLayout
from cgap_cl.errors import UnsupportedNetworkError


def bare_parameters(
    module: nn.Module,
    example_input: Tensor,
    layers: Sequence[LayerLayout],
    widths: Mapping[str, int],
) -> Iterator[LayerLayout]:
    """Parameters that no layer holds, each with the channels that it belongs to.

    Args:
        module: in eval mode.
        example_input: one batch.
        layers: its layers, in forward order.
        widths: units per group.

    Raises:
        UnsupportedNetworkError: one is not a value per channel of what a layer reads.
    """
    for owner, part in module.named_modules():
        if isinstance(part, LAYERS):
            continue
        for leaf, parameter in part.named_parameters(recurse=False):
            axis = _axis_of(module, example_input, layers, parameter)
            n = parameter.shape[0] if parameter.dim() else 0
            if axis is None or n != axis.length(widths) or n != parameter.numel():
                raise UnsupportedNetworkError(
                    owner or "(network)",
                    f"{type(part).__name__} holds parameters of its own ('{leaf}', "
                    f"{tuple(parameter.shape)}): only layers ("
                    f"{', '.join(kind.__name__ for kind in LAYERS)}) and one value per "
                    "channel, first axis in channels, can be resized",
                )
            yield LayerLayout(f"{owner}.{leaf}".lstrip("."), Kind.PARAMETER, axis, axis)


@torch.no_grad()
def _axis_of(
    module: nn.Module, x: Tensor, layers: Sequence[LayerLayout], parameter: nn.Parameter
) -> Axis | None:
    """The axis of the first layer that reads something else when a parameter changes."""
    before = _inputs(module, x, layers)
    kept = parameter.clone()
    try:
        parameter.add_(1)
        after = _inputs(module, x, layers)
    finally:
        parameter.copy_(kept)
    changed = (la for la in layers if not torch.equal(before[la.name], after[la.name]))
    first = next(changed, None)
    return None if first is None else first.inputs


def _inputs(module: nn.Module, x: Tensor, layers: Sequence[LayerLayout]) -> dict[str, Tensor]:
    """What each layer reads."""
    seen: dict[str, Tensor] = {}
    handles = [
        module.get_submodule(layer.name).register_forward_pre_hook(
            lambda _, args, name=layer.name: seen.__setitem__(name, args[0].clone())
        )
        for layer in layers
    ]
    module(x)
    for handle in handles:
        handle.remove()
    return seen
