"""Functions that mix channels, refused by name while a network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cgap_cl.blocks.kinds import L2Norm
from cgap_cl.errors import UnsupportedNetworkError

ATTENTION = (functional.scaled_dot_product_attention, functional.multi_head_attention_forward)
PRODUCTS = (
    torch.matmul,
    torch.bmm,
    torch.baddbmm,
    Tensor.matmul,
    Tensor.__matmul__,
    Tensor.bmm,
    torch.einsum,
)


@contextmanager
def watched(module: nn.Module) -> Iterator[None]:
    """Refuse attention and the like inside, by the module that calls it.

    What mixes channels in another way is found by :mod:`cgap_cl.accept.probe`, between two
    layers; these have a name.
    """
    running = [("(network)", module)]

    def enter(name: str, part: nn.Module) -> None:
        running.append((name, part))

    def leave() -> None:
        running.pop()

    handles = []
    for name, part in module.named_modules():
        if name:
            before = part.register_forward_pre_hook(lambda m, _, name=name: enter(name, m))
            handles += [before, part.register_forward_hook(lambda *_: leave())]
    try:
        with _Watch(running):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Watch(TorchFunctionMode):
    """Looks at every function of torch that is called.

    Args:
        running: names and modules that run, the innermost last.
    """

    def __init__(self, running: list[tuple[str, nn.Module]]) -> None:
        super().__init__()
        self.running = running

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, module = self.running[-1]
        reason = "" if isinstance(module, L2Norm) else _reason(func, args, kwargs or {})
        if reason:
            raise UnsupportedNetworkError(name, reason)
        return func(*args, **(kwargs or {}))


def _reason(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Why a call is refused; empty: it is not."""
    if func in ATTENTION:
        return "attention mixes channels: use a network of convolutions and linear layers"
    if func in PRODUCTS and not any(isinstance(arg, nn.Parameter) for arg in args):
        return "a product of two activations (attention?) mixes channels"
    if func is functional.normalize:
        x, dim = args[0], kwargs.get("dim", args[2] if len(args) > 2 else 1)
        if dim in (1, 1 - x.dim()):
            return (
                "functional.normalize would norm over the channels of all blocks: use the "
                "module cgap_cl.L2Norm, by which each block norms its own"
            )
    return ""
