"""Layers that came frozen, all before the first that learns: kept as they are, and shared."""

from __future__ import annotations

import copy
from contextlib import suppress

import torch
from torch import Tensor, nn

from cgap_cl.blocks.frozen import FrozenLayer
from cgap_cl.blocks.kinds import LAYERS
from cgap_cl.blocks.layers_alike import replace
from cgap_cl.errors import UnsupportedNetworkError


def with_frozen_prefix(module: nn.Module, example_input: Tensor) -> nn.Module:
    """The network itself, or a copy in which frozen layers are fixed.

    What comes out of them is to all blocks what the input is. Norms without parameters belong
    to them where they read what nothing that learns has touched.

    Args:
        module: left as it is.
        example_input: one batch.

    Raises:
        UnsupportedNetworkError: a layer is frozen behind one that learns, or in part; or all
            are.

    >>> stem = nn.Linear(6, 8).requires_grad_(False)
    >>> network = nn.Sequential(stem, nn.ReLU(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> type(with_frozen_prefix(network, torch.zeros(2, 6))[0]).__name__
    'FrozenLayer'
    """
    layers = {name: part for name, part in module.named_modules() if isinstance(part, LAYERS)}
    states = {
        name: {p.requires_grad for p in layer.parameters()} for name, layer in layers.items()
    }
    if not any(False in state for state in states.values()):
        return module
    if not any(True in state for state in states.values()):
        raise UnsupportedNetworkError(
            next(reversed(layers)),
            "all layers are frozen (requires_grad=False), so nothing can grow: "
            "requires_grad_(True) on those that are to learn, the head among them",
        )

    learnt = _reads_what_learns(module, example_input)
    fixed = copy.deepcopy(module)
    for name, state in states.items():
        if False in state and (True in state or learnt.get(name)):
            raise UnsupportedNetworkError(
                name,
                "it is frozen (requires_grad=False), in part or behind layers that learn: only "
                "what comes before all of those is kept, and shared by all tasks; freeze all "
                "before it, or requires_grad_(True) and pretrained=True, which gives the first "
                "column its values to start from",
            )
        within = any(name.startswith(f"{outer}.") for outer in layers if outer != name)
        if True not in state and learnt.get(name) is False and not within:
            replace(fixed, name, FrozenLayer(fixed.get_submodule(name)))
    return fixed


def _reads_what_learns(module: nn.Module, x: Tensor) -> dict[str, bool]:
    """Whether each layer that runs reads something that depends on learning parameters."""
    probe = copy.deepcopy(module).eval()
    read: dict[str, bool] = {}
    for name, part in probe.named_modules():
        if isinstance(part, LAYERS):
            part.register_forward_pre_hook(
                lambda _, args, name=name: read.__setitem__(name, args[0].requires_grad)
            )
    # one that does not run is told, with the reason, by the checks that follow
    with torch.enable_grad(), suppress(RuntimeError, TypeError, ValueError, IndexError):
        probe(x.detach().clone())
    return read
