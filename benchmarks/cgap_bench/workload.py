"""A torch network traced into the layer shapes that the cost model prices.

The only bridge between torch and `cgap_hw`: one forward pass of an example input, hooks on the
leaf modules, and a look at the functions called between them, to know which layer reads which.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgap_bench.errors import UsageError

NETWORK_INPUT = -1
Layer = dict[str, Any]

# Done on the fly by the unit that produces or reads the values.
FREE = (nn.ReLU, nn.ReLU6, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MAX_POOLS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
AVERAGE_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
SUMS = {"add", "add_", "__add__", "__iadd__", "__radd__"}
# Functions that only choose, join or relabel channels: addressing, no work.
ADDRESSING = {
    "cat", "concat", "index_select", "flatten", "reshape", "view", "contiguous", "__get__",
    "__getitem__", "relu", "relu_", "dropout", "size", "dim", "narrow", "unsqueeze", "squeeze",
}  # fmt: skip


def layer_shapes(network: nn.Module, example_input: Tensor) -> list[Layer]:
    """Layer shapes of one inference, in the order of execution, as `cgap_hw.LayerShape` JSON.

    Batch norm right behind a convolution or linear layer is folded into it (running statistics
    only); elsewhere it is a pass over its channels. Activations and dropout are free, and so
    are concatenation and selection of channels: the next layer reads from where they lie.

    Args:
        network: Any module whose work is done by Conv2d, Linear, pooling and norm modules.
        example_input: (1, ...), float.

    Raises:
        UsageError: Some work has no layer shape; the module or function is named.
    """
    batch = torch.cat([example_input, example_input])  # batch statistics need more than one
    trace = _Trace(batch)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad(), trace.hooked(network), trace:
            network(batch)
    finally:
        for module, training in modes.items():
            module.training = training
    return trace.layers


def total_macs(layers: Sequence[Layer]) -> int:
    """Multiply-adds of convolutions and linear layers for one image; biases not counted."""
    total = 0
    for layer in layers:
        if layer["kind"] in ("conv", "linear"):
            taps = (
                layer["kernel_h"] * layer["kernel_w"] * layer["n_in"] // layer.get("groups", 1)
            )
            total += layer["n_out"] * layer["out_h"] * layer["out_w"] * taps
    return total


class _Trace(TorchFunctionMode):
    """Collects layers, and for every tensor the layers whose outputs it consists of."""

    def __init__(self, example_input: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self._in_leaf = False
        self._kept: list[Tensor] = []  # alive, so that no identity is used twice
        self._sources: dict[int, tuple[int, ...]] = {}
        self._foldable: set[int] = set()  # tensors that a batch norm could be folded into
        self._mark(example_input, (NETWORK_INPUT,))

    @contextmanager
    def hooked(self, network: nn.Module) -> Iterator[None]:
        """Hooks on all leaf modules, removed at the end."""
        names = {m: name for name, m in network.named_modules() if not any(m.children())}

        def enter(module: nn.Module, inputs: Any) -> None:
            self._in_leaf = True

        def leave(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._leaf(names[module], module, inputs[0], output)
            self._in_leaf = False

        handles = [module.register_forward_pre_hook(enter) for module in names]
        handles += [module.register_forward_hook(leave) for module in names]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._in_leaf and isinstance(result, Tensor) and id(result) not in self._sources:
            self._in_leaf = True  # what is called to describe the result is no work
            read = [x for x in _tensors(args) if id(x) in self._sources]
            if read:
                self._between(func.__name__, read, result)
            self._in_leaf = False
        return result

    def _between(self, name: str, read: list[Tensor], result: Tensor) -> None:
        if name in SUMS and len(read) > 1:
            self._mark(result, self._append(_pass("add", "sum", read[0], result), read))
        elif name in ADDRESSING:
            self._mark(result, self._read(read))
            if name in ("cat", "concat", "index_select", "narrow") and self._all_foldable(read):
                self._foldable.add(id(result))
        else:
            raise UsageError(
                f"the network calls the function {name!r} between its modules, which has no"
                " layer shape; use Conv2d, Linear, pooling and BatchNorm modules"
            )

    def _leaf(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> None:
        if isinstance(module, FREE):
            self._mark(output, self._read([x]))
        elif (
            isinstance(module, NORMS) and module.track_running_stats and id(x) in self._foldable
        ):
            for index in self._read([x]):
                self.layers[index]["bias"] = True
            self._mark(output, self._read([x]))
            self._foldable.add(id(output))
        else:
            self._mark(output, self._append(_shape(name, module, x, output), [x]))
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                self._foldable.add(id(output))

    def _append(self, layer: Layer, read: Sequence[Tensor]) -> tuple[int, ...]:
        self.layers.append({**layer, "inputs": list(self._read(read))})
        return (len(self.layers) - 1,)

    def _mark(self, tensor: Tensor, sources: tuple[int, ...]) -> None:
        self._kept.append(tensor)
        self._sources[id(tensor)] = sources

    def _read(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(i for x in tensors for i in self._sources[id(x)]))

    def _all_foldable(self, tensors: Sequence[Tensor]) -> bool:
        return all(id(x) in self._foldable for x in tensors)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _shape(name: str, module: nn.Module, x: Tensor, output: Tensor) -> Layer:
    if isinstance(module, nn.Conv2d):
        return (
            _pass("conv", name, x, output)
            | _window(module, x, output)
            | {
                "groups": module.groups,
                "bias": module.bias is not None,
            }
        )
    if isinstance(module, nn.Linear):
        return _pass("linear", name, x, output) | {"bias": module.bias is not None}
    if isinstance(module, (*MAX_POOLS, *AVERAGE_POOLS)):
        kind = "max" if isinstance(module, MAX_POOLS) else "avg"
        return _pass("pool", name, x, output) | _window(module, x, output) | {"pool_kind": kind}
    if isinstance(module, NORMS):
        return _pass("elementwise", name, x, output)
    raise UsageError(f"module {name!r} ({type(module).__name__}) has no layer shape")


def _pass(kind: str, name: str, x: Tensor, output: Tensor) -> Layer:
    (_, n_in, in_h, in_w), (_, n_out, out_h, out_w) = _four(x), _four(output)
    return {
        "name": name, "kind": kind, "n_in": n_in, "n_out": n_out,
        "in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w,
        "kernel_h": 1, "kernel_w": 1, "stride_h": 1, "stride_w": 1,
        "padding_h": 0, "padding_w": 0, "groups": 1, "pool_kind": None, "bias": False,
    }  # fmt: skip


def _four(x: Tensor) -> tuple[int, int, int, int]:
    n, channels, *size = x.shape
    height, width = size or (1, 1)
    return n, channels, height, width


def _window(module: nn.Module, x: Tensor, output: Tensor) -> Layer:
    """Kernel, stride and padding; those of an adaptive pool follow from the two sizes."""
    if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        kernel = stride = (x.shape[2] // output.shape[2], x.shape[3] // output.shape[3])
        padding = (0, 0)
    else:
        kernel = _pair(module.kernel_size)
        stride = _pair(module.stride)
        padding = _pair(module.padding)
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding))
    return {f"{key}_{axis}": n for key, pair in values for axis, n in zip("hw", pair)}


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
