"""What a network may hold: layers that we can resize, each once, and nothing that mixes them.

These checks look at modules only; :mod:`cgap_cl.accept.coupling` looks at how they are
connected, and :mod:`cgap_cl.accept.probe` at what they compute.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cgap_cl.accept.forward_order import Reading
from cgap_cl.blocks.kinds import CONVOLUTIONS, DENSE, LAYERS
from cgap_cl.errors import UnsupportedNetworkError

MIXING = (
    nn.LocalResponseNorm, nn.CrossMapLRN2d, nn.MultiheadAttention,
    nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.GLU, nn.ChannelShuffle,
    nn.PixelShuffle, nn.PixelUnshuffle, nn.RNNBase, nn.Embedding,
)  # fmt: skip


def check_modules(module: nn.Module) -> None:
    """Refuse modules that mix channels or are shared, before anything runs.

    Raises:
        UnsupportedNetworkError: names the layer and the reason.
    """
    _check_mixing(module)
    _check_plain(module)
    _check_sharing(module)
    _check_hooks(module)


def _check_hooks(module: nn.Module) -> None:
    """Refuse hooks on layers that blocks have layers of their own for: they would be lost."""
    for name, layer in module.named_modules():
        hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks)
        if isinstance(layer, LAYERS) and any(hooks):
            raise UnsupportedNetworkError(
                name,
                "it has hooks, which the layers of a block would not have: write what they "
                "compute as a module of its own behind the layer, or put them on "
                "subnetwork(task)",
            )


def _check_sharing(module: nn.Module) -> None:
    """Refuse layers under two names, parameters in two layers, and uninitialised layers."""
    layers: dict[nn.Module, str] = {}
    owners: dict[nn.Parameter, str] = {}
    for name, layer in module.named_modules(remove_duplicate=False):
        if not isinstance(layer, LAYERS):
            continue
        if layer in layers:
            raise UnsupportedNetworkError(name, f"it is the same module as '{layers[layer]}'")
        layers[layer] = name

        for parameter in layer.parameters(recurse=False):
            if nn.parameter.is_lazy(parameter):
                raise UnsupportedNetworkError(
                    name, "it is lazy: run the network once, so that its sizes are known"
                )
            if parameter in owners:
                raise UnsupportedNetworkError(
                    name, f"it shares a parameter with '{owners[parameter]}'"
                )
            owners[parameter] = name


def _check_mixing(module: nn.Module) -> None:
    """Refuse what is known to mix channels."""
    for name, layer in module.named_modules():
        if isinstance(layer, MIXING):
            raise UnsupportedNetworkError(name, f"{type(layer).__name__} mixes channels")


def _check_plain(module: nn.Module) -> None:
    """Refuse layers that compute something else than torch's own: blocks would not."""
    for name, layer in module.named_modules():
        kind = next((k for k in LAYERS if isinstance(layer, k)), None)
        if kind is None:
            continue

        own = {n for n, _ in layer.named_parameters(recurse=False)} - {"weight", "bias"}
        if (kind in DENSE and own) or is_parametrized(layer):
            raise UnsupportedNetworkError(
                name,
                f"{type(layer).__name__} is not computed as torch's {kind.__name__} is "
                "(a subclass with a forward of its own, or weights that are computed)",
            )


def check_layers(module: nn.Module, order: Mapping[str, Reading]) -> None:
    """Refuse layers that do not run, or whose groups or sizes have no rule.

    Args:
        module: the network.
        order: what the layers that a forward pass reaches read.

    Raises:
        UnsupportedNetworkError: names the layer and the reason.
    """
    for name, layer in module.named_modules():
        if not isinstance(layer, LAYERS):
            continue
        within = next((n for n in order if n.startswith(f"{name}.")), None)
        if within is not None:
            raise UnsupportedNetworkError(
                within, f"it is a layer inside another, '{name}': put it behind that one"
            )
        if name not in order:
            raise UnsupportedNetworkError(
                name,
                "it takes no part in the forward pass of eval mode (an auxiliary head? build "
                "the network without it)",
            )
        grouped = isinstance(layer, CONVOLUTIONS) and layer.groups > 1
        if grouped and layer.out_channels != layer.in_channels:
            raise UnsupportedNetworkError(
                name,
                "a grouped convolution with a channel multiplier: it must give as many "
                "channels as it reads",
            )
