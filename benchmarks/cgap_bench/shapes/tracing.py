"""A torch network traced into the layer shapes that the cost model prices.

The only bridge between torch and `cgap_hw`: one forward pass of an example input, hooks on the
leaf modules, and a look at the functions called between them, to know which layer reads which.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgap_bench.errors import UsageError
from cgap_bench.shapes import rules

NETWORK_INPUT = -1
Layer = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """Layers in the order of execution, and the work that has no layer shape.

    Attributes:
        layers: `cgap_hw.LayerShape` as JSON.
        unsupported: What is not among the layers, and how often it was met.
    """

    layers: list[Layer]
    unsupported: Mapping[str, int]


def layer_shapes(network: nn.Module, example_input: Tensor) -> list[Layer]:
    """Layer shapes of one inference, in the order of execution, as `cgap_hw.LayerShape` JSON.

    Batch norm right behind a convolution or linear layer is folded into it (running statistics
    only); elsewhere it is a pass over its channels. Activations and dropout are free, and so
    are concatenation and selection of channels: the next layer reads from where they lie.

    Args:
        network: Any module whose work is done by Conv2d, Linear, pooling and norm modules,
            sums, products and pooling functions.
        example_input: (1, ...), float.

    Raises:
        UsageError: Some work has no layer shape; every such module and function is named.
    """
    workload = trace(network, example_input)
    if workload.unsupported:
        names = ", ".join(workload.unsupported)
        raise UsageError(
            f"no layer shape for {names}; use Conv2d, Linear, pooling and BatchNorm modules"
        )
    return workload.layers


def trace(network: nn.Module, example_input: Tensor) -> Workload:
    """As `layer_shapes`, with what has no layer shape listed instead of refused."""
    batch = torch.cat([example_input, example_input])  # batch statistics need more than one
    tracer = _Trace(batch)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad(), tracer.hooked(network), tracer:
            network(batch)
    finally:
        for module, training in modes.items():
            module.training = training
    return Workload(tracer.layers, dict(tracer.unsupported))


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
        self.unsupported: Counter[str] = Counter()
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
            self._in_leaf = module_is_leaf(module)

        def leave(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if module_is_leaf(module):
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
        name = func.__name__
        produced = [x for x in rules.tensors(result) if self._is_news(name, x)]
        if not self._in_leaf and produced:
            self._in_leaf = True  # what is called to describe the result is no work
            read = [x for x in rules.tensors(args) if id(x) in self._sources]
            settings = [
                *[a for a in args if not isinstance(a, Tensor)],
                *(kwargs or {}).values(),
            ]
            for output in produced if read else ():
                self._between(name, read, output, settings)
            self._in_leaf = False
        return result

    def _is_news(self, name: str, result: Tensor) -> bool:
        """A new tensor, or one that a sum or a product has written to in place."""
        changed = name in rules.SUMS | rules.PRODUCTS
        return changed or id(result) not in self._sources

    def _between(
        self, name: str, read: list[Tensor], result: Tensor, settings: list[Any]
    ) -> None:
        if name in rules.SUMS and len(read) > 1:
            self._mark(result, self._append(rules.plain("add", "sum", read[0], result), read))
        elif name in rules.SUMS | rules.PASSES:
            layer = rules.plain("elementwise", name.strip("_"), result, result)
            self._mark(result, self._append(layer, read))
        elif name in rules.ADDRESSING | rules.ACTIVATION_FUNCTIONS:
            self._mark(result, self._read(read))
            if name in rules.JOINS and self._all_foldable(read):
                self._foldable.add(id(result))
        else:
            self._pool(name, read, result, settings)

    def _pool(self, name: str, read: list[Tensor], result: Tensor, settings: list[Any]) -> None:
        layer = None
        if name in rules.POOLS:
            layer = rules.pool_layer(name, read[0], result, settings)
        if layer is None:
            self.unsupported[f"function {name!r}"] += 1
            self._mark(result, self._read(read))
        else:
            self._mark(result, self._append(layer, read))

    def _leaf(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> None:
        if isinstance(module, rules.ACTIVATIONS):
            self._mark(output, self._read([x]))
        elif isinstance(module, rules.PASSIVE):
            foldable = id(x) in self._foldable
            self._mark(output, self._read([x]))
            self._foldable |= {id(output)} if foldable else set()
        elif self._folds(module, x):
            for index in self._read([x]):
                self.layers[index]["bias"] = True
            self._mark(output, self._read([x]))
            self._foldable.add(id(output))
        else:
            self._work(name, module, x, output)

    def _work(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> None:
        layer = rules.module_layer(name, module, x, output)
        if layer is None:
            self.unsupported[f"module {name!r} ({type(module).__name__})"] += 1
            self._mark(output, self._read([x]))
            return
        self._mark(output, self._append(layer, [x]))
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            self._foldable.add(id(output))

    def _folds(self, module: nn.Module, x: Tensor) -> bool:
        if not isinstance(module, rules.BATCH_NORMS):
            return False
        return bool(module.track_running_stats) and id(x) in self._foldable

    def _append(self, layer: Layer, read: Sequence[Tensor]) -> tuple[int, ...]:
        sources = [self._joined(x) for x in read] if layer["kind"] == "add" else None
        inputs = self._read(read) if sources is None else tuple(i for s in sources for i in s)
        self.layers.append({**layer, "inputs": list(inputs)})
        return (len(self.layers) - 1,)

    def _joined(self, tensor: Tensor) -> tuple[int, ...]:
        """One source of a sum: a map of several parts gets a layer of its own."""
        sources = self._sources[id(tensor)]
        if len(sources) == 1:
            return sources
        layer = rules.plain("concat", "joined", tensor, tensor)
        self.layers.append({**layer, "inputs": list(sources)})
        return (len(self.layers) - 1,)

    def _mark(self, tensor: Tensor, sources: tuple[int, ...]) -> None:
        self._kept.append(tensor)
        self._sources[id(tensor)] = sources
        self._foldable.discard(id(tensor))

    def _read(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(i for x in tensors for i in self._sources[id(x)]))

    def _all_foldable(self, tensors: Sequence[Tensor]) -> bool:
        return all(id(x) in self._foldable for x in tensors)


def module_is_leaf(module: nn.Module) -> bool:
    """Whether it is torch's own; others are looked into by the functions they call."""
    return type(module).__module__.startswith("torch.nn.") or isinstance(
        module, (nn.Conv2d, nn.Linear)
    )
