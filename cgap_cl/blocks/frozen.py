"""Layers that came frozen: one for all blocks, at full width, computed as they were given."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cgap_cl.blocks.kinds import DENSE, uses


class FrozenLayer(nn.Module):
    """Stands for a frozen layer in the networks of blocks.

    The layer itself is no submodule: it is neither a block's to learn nor to store, and no
    train mode reaches its statistics. The plastic network has it among its modules, once.

    Args:
        layer: in eval mode from here on.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.held = (layer.eval(),)

    @property
    def layer(self) -> nn.Module:
        """The layer."""
        return self.held[0]

    def forward(self, x: Tensor) -> Tensor:
        """As the layer computes it."""
        return self.layer(x)  # type: ignore[no-any-return]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.layer._apply(fn, recurse)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def frozen_layers(body: nn.Module) -> Iterator[tuple[str, FrozenLayer]]:
    """Those of a network, by name."""
    for name, module in body.named_modules():
        if isinstance(module, FrozenLayer):
            yield name, module


@torch.no_grad()
def frozen_macs(module: nn.Module, example_input: Tensor) -> int:
    """Multiply-adds of the frozen layers in one inference.

    Args:
        module: the network.
        example_input: one batch.
    """
    if not any(frozen_layers(module)):
        return 0
    counts: list[int] = []
    module = copy.deepcopy(module).eval()

    def note(layer: nn.Module, x: Tensor, y: Tensor) -> None:
        dim = -1 if isinstance(layer, nn.Linear) else 1
        counts.append(layer.weight.numel() * uses(layer, x, y, dim))  # type: ignore[operator]

    for _, frozen in frozen_layers(module):
        if isinstance(frozen.layer, DENSE):
            frozen.layer.register_forward_hook(lambda m, args, y: note(m, args[0], y))
    module(example_input)
    return sum(counts)
