"""A device with CUDA's rules, its tensors kept on the CPU: for machines without CUDA.

As on CUDA, an operation fails that mixes its tensors with those of the CPU (but for scalars,
copies and indices), or that fills one of them from a generator of the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

PLACE = "lazy"  # a device that torch knows, for which this build has no kernels
MIXING = {"copy_", "index", "index_put", "index_put_", "_index_put_impl_", "_to_copy"}


class Elsewhere(Tensor):
    """A tensor that says it is on the second device."""

    @staticmethod
    def __new__(cls: type, values: Tensor) -> Any:
        made = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            dtype=values.dtype,
            device=PLACE,
            storage_offset=values.storage_offset(),
        )
        made.values_ = values
        return made

    def tolist(self) -> Any:
        """Torch has none for subclasses."""
        return self.values_.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class Makes(TorchDispatchMode):
    """Operations whose tensors are all on the CPU, but their result is not."""

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inside = any(isinstance(t, Elsewhere) for t in tree_leaves((args, kwargs)))
        ours = inside or _is_there(kwargs.get("device"))
        return _run(func, args, kwargs) if ours else func(*args, **kwargs)


class FromData(TorchFunctionMode):
    """What torch makes below the dispatcher is made here: ``torch.tensor``, list indices."""

    def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and _is_there(kwargs.get("device")):
            return func(*args, **{**kwargs, "device": "cpu"}).to(PLACE)
        if func is Tensor.__getitem__ and isinstance(args[1], list):
            args = (args[0], torch.tensor(args[1]))
        return func(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[str]:
    """``with second_device() as name:`` a device beside the CPU is there."""
    with Makes(), FromData():
        yield PLACE


def _is_there(device: Any) -> bool:
    return device is not None and torch.device(device).type == PLACE


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation with tensors of the second device, or one that makes them."""
    name = func._schema.name.partition("::")[2]
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    to = isinstance(args[0], Elsewhere) if name == "copy_" else _goes_there(tensors, kwargs)
    _check(name, tensors, kwargs, to)
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    own = {id(t.values_): t for t in tensors if isinstance(t, Elsewhere)}

    def stripped(value: Any) -> Any:
        return value.values_ if isinstance(value, Elsewhere) else value

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor) or not to:
            return value
        return own[id(value)] if id(value) in own else Elsewhere(value)

    return tree_map(wrapped, func(*tree_map(stripped, args), **tree_map(stripped, kwargs)))


def _goes_there(tensors: list[Tensor], kwargs: dict[str, Any]) -> bool:
    """Whether the result is on the second device."""
    device = kwargs.get("device")
    if device is not None:
        return _is_there(device)
    return any(isinstance(t, Elsewhere) for t in tensors)


def _check(name: str, tensors: list[Tensor], kwargs: dict[str, Any], to: bool) -> None:
    """Raise where CUDA would."""
    there = [isinstance(t, Elsewhere) for t in tensors]
    here = [t for t in tensors if not isinstance(t, Elsewhere) and t.dim()]
    from_below = name.startswith("index") and not there[0]
    if any(there) and here and (name not in MIXING or from_below):
        raise RuntimeError(f"{name}: tensors on two devices")
    if to and kwargs.get("generator") is not None:
        raise RuntimeError(f"{name}: a generator on the {kwargs['generator'].device}")
