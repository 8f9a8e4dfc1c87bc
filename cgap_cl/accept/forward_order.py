"""The order in which a network's layers run, and what its forward pass must not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgap_cl.accept.calls import watched
from cgap_cl.accept.sums import check_sum
from cgap_cl.blocks.kinds import CONVOLUTIONS, DENSE, LAYERS, TRANSPOSED, L2Norm
from cgap_cl.errors import UnsupportedNetworkError, unknown


@dataclass(frozen=True)
class Reading:
    """What a layer reads in a forward pass.

    Attributes:
        dim: the dimension along which its channels are; -1 where places come before it.
        n: how many channels there are.
    """

    dim: int
    n: int


def forward_order(module: nn.Module, example_input: Tensor) -> dict[str, Reading]:
    """What each conv, linear and norm layer reads, in the order in which they run.

    Raises:
        UnsupportedNetworkError: a layer runs twice or reads what it must not, or the network
            does not return logits.
    """
    order: dict[str, Reading] = {}

    def note(name: str, layer: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
        if name in order:
            raise UnsupportedNetworkError(
                name, "it runs more than once in a forward pass (shared weights)"
            )
        order[name] = _reading(name, layer, args)
        if isinstance(layer, DENSE):
            check_sum(name, layer, args[0], y, order[name].dim)

    handles = [
        layer.register_forward_hook(lambda m, args, y, name=name: note(name, m, args, y))
        for name, layer in module.named_modules()
        if isinstance(layer, LAYERS)
    ]
    try:
        with watched(module):
            logits = _run(module, example_input)
    finally:
        for handle in handles:
            handle.remove()

    _check_logits(next(reversed(order), "(network)"), logits)
    _check_repeatable(module, example_input, logits)
    return order


@torch.no_grad()
def _run(module: nn.Module, x: Tensor) -> Tensor:
    """Logits of a batch.

    Raises:
        UnsupportedNetworkError: the network does not run on it, or changes it.
    """
    given = x.clone()
    try:
        logits: Tensor = module(given)
    except UnsupportedNetworkError:  # from the hooks that watch the layers
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UnsupportedNetworkError(
            "(network)",
            f"its forward must take one batch as the example, {tuple(x.shape)} of {x.dtype}, "
            f"and one input alone, but there it raises {type(error).__name__}: {error}",
        ) from error
    if not torch.equal(given, x):
        raise UnsupportedNetworkError(
            "(network)",
            "it changes its input in place, which all blocks read: write x = x - c for x -= c",
        )
    return logits


def _check_repeatable(module: nn.Module, x: Tensor, logits: Tensor) -> None:
    again = _run(module, x)
    if not torch.allclose(again, logits, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise UnsupportedNetworkError(
            "(network)",
            "in eval mode it gives other logits for the same input (noise?): draw only while "
            "self.training",
        )
    try:
        shape = tuple(_run(module, x[:1]).shape)
    except UnsupportedNetworkError:
        shape = ()
    if shape != (1, *logits.shape[1:]):
        raise UnsupportedNetworkError(
            "(network)",
            "it does not run on a batch of one row: does it squeeze() the batch dimension "
            "away? flatten(1) does not",
        )


def _reading(name: str, layer: nn.Module, args: tuple[Tensor, ...]) -> Reading:
    if not args:
        raise UnsupportedNetworkError(
            name, "it is called with its input as a keyword argument; give it by position"
        )
    x = args[0]
    dim = _channel_dim(layer, x)
    return Reading(1 if dim in (1, 1 - x.dim()) else dim, x.shape[dim])


def _channel_dim(layer: nn.Module, x: Tensor) -> int:
    """The dimension of a layer's input along which its channels are."""
    if isinstance(layer, nn.Linear):
        return -1
    if isinstance(layer, L2Norm):
        return layer.dim
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        last, n = -len(layer.normalized_shape), layer.normalized_shape[0]
        torchs_own = type(layer).forward in (nn.LayerNorm.forward, nn.RMSNorm.forward)
        # a subclass may norm maps over axis 1, as LayerNorm2d: the probe finds out if not
        return last if torchs_own or x.shape[1] != n else 1
    return 1


def _check_logits(last: str, logits: object) -> None:
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UnsupportedNetworkError(
            last, f"the network must return logits (N, classes), not {found}"
        )


def find_head(module: nn.Module, order: Mapping[str, Reading], name: str | None = None) -> str:
    """The head of a network: the layer of that name, or the one that must be it.

    Args:
        module: the network.
        order: its layers, see :func:`forward_order`.
        name: name of the head; by default the last linear layer or 1x1 convolution.

    Raises:
        UnsupportedNetworkError: there is none, or the layer of that name cannot be one.
    """
    if name is None:
        name = next(
            (n for n in reversed(tuple(order)) if _may_be_head(module.get_submodule(n))), None
        )
    if name is None:
        raise UnsupportedNetworkError(
            "(network)", "it has no linear layer or 1x1 convolution to be the head"
        )
    if name not in order:
        raise UnsupportedNetworkError(name, unknown("head", name, order))
    layer = module.get_submodule(name)
    if not isinstance(layer, DENSE) or isinstance(layer, TRANSPOSED):
        raise UnsupportedNetworkError(name, "a head is a linear layer or a convolution")
    return name


def _may_be_head(layer: nn.Module) -> bool:
    if isinstance(layer, CONVOLUTIONS) and not isinstance(layer, TRANSPOSED):
        return {*layer.kernel_size} == {1} and layer.groups == 1
    return isinstance(layer, nn.Linear)
