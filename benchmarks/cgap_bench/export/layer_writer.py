"""Writes a graph of torch's layers while it runs over a graph of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgap_bench.errors import UsageError
from cgap_bench.export.plain import write_zeros
from cgap_cl.blocks.layers_alike import with_weights

CHANNELS = 1  # the dimension that they are along
RANKS = (2, 4)  # of maps whose channels are there: features, and images


@dataclass(eq=False)
class Part:
    """Some channels of a map, not cut out yet: a layer may read them as they lie.

    Attributes:
        node: Of the cut, once it is written.
    """

    whole: fx.Node
    index: Tensor
    n_channels: int
    node: fx.Node | None = field(default=None, init=False)


@dataclass(eq=False)
class Layer:
    """A layer whose call is not written yet: a neighbour may join it.

    Attributes:
        node: Of the call, once it is written.
    """

    module: nn.Conv2d | nn.Linear
    reads: fx.Node
    name: str
    node: fx.Node | None = field(default=None, init=False)

    def joins(self, other: Layer) -> bool:
        """Whether both are rows of one layer."""
        mine, others = self._settings(), other._settings()
        return self.node is other.node is None and self.reads is other.reads and mine == others

    def _settings(self) -> tuple[Any, ...]:
        own, biased = self.module, self.module.bias is None
        if isinstance(own, nn.Linear):
            return (nn.Linear, biased)
        return (nn.Conv2d, biased, own.kernel_size, own.stride, own.padding, own.dilation)

    def of_rows(self, weight: Tensor, bias: Tensor | None) -> Layer:
        """Other outputs that read the same."""
        module = with_weights(self.module, weight, bias)
        assert isinstance(module, nn.Conv2d | nn.Linear)
        return Layer(module, self.reads, self.name)


Value = fx.Node | Part | Layer | Tensor | float
Rule = Callable[..., Value]  # of a writer and the operation's own arguments


class Writer(fx.Interpreter):
    """Runs over a graph of operations and writes one of layers.

    Args:
        operations: As `torch.export` makes them.
        rules: What becomes of each operation.

    Attributes:
        root: Holds the layers.
        written: The graph.
        name: Of the present operation.
        rank: Dimensions of what it makes.
    """

    def __init__(self, operations: fx.GraphModule, rules: Mapping[Any, Rule]) -> None:
        super().__init__(operations)
        self.rules = rules
        self.root, self.written = nn.Module(), fx.Graph()
        self.name, self.rank = "", 0
        self._n_channels_read = 0

    def run_node(self, n: fx.Node) -> Any:
        """Note what the present operation is about, then do it."""
        made = n.meta.get("val")
        self.name, self.rank = n.name, made.dim() if isinstance(made, Tensor) else 0
        read = n.args[0].meta.get("val") if n.args and isinstance(n.args[0], fx.Node) else None
        if isinstance(read, Tensor) and self.rank in RANKS:
            self._n_channels_read = int(read.shape[CHANNELS])
        return super().run_node(n)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> fx.Node:
        """The images."""
        return self.written.placeholder(str(target))

    def call_module(self, target: Any, args: Any, kwargs: Any) -> None:
        """Torch's own check of the size of a batch: nothing."""

    def output(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The logits."""
        (logits,) = args[0]
        return self.written.output(self.node(logits))

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """By its rule."""
        if target not in self.rules:
            names = ", ".join(sorted({_said(known) for known in self.rules}))
            raise UsageError(
                f"{self.name}: {_said(target)} cannot be written for hardware; known: {names}"
            )
        return self.rules[target](self, *args, **kwargs)

    def node(self, value: Value) -> Any:
        """A value as a node; what was put off is written now, once."""
        if isinstance(value, fx.Node | float | int):
            return value
        if isinstance(value, Tensor):
            name = f"{self.name}_constant"
            self.root.register_buffer(name, value)
            return self.written.get_attr(name)
        if value.node is None:
            value.node = self._late(value)
        return value.node

    def _late(self, value: Part | Layer) -> fx.Node:
        if isinstance(value, Layer):
            self.root.add_module(value.name, value.module)
            return self.written.call_module(value.name, (value.reads,))
        return self.function(torch.index_select, value.whole, CHANNELS, self.node(value.index))

    def function(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        """A call of a function."""
        return self.written.call_function(function, args)

    def call(self, module: nn.Module, value: Value) -> fx.Node:
        """A call of a layer, named as the present operation."""
        reads = self.node(value)
        self.root.add_module(self.name, module)
        return self.written.call_module(self.name, (reads,))

    def layer(self, module: nn.Conv2d | nn.Linear, value: Value) -> Value:
        """A layer with weights, put off; of some channels, it reads all with zeros."""
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            write_zeros(module)
        if self.rank not in RANKS:  # features last: outputs do not lie along the channels
            return self.call(module, value)
        if not isinstance(value, Part):
            return Layer(module, self.node(value), self.name)
        weight = module.weight.detach()
        zeros = weight.new_zeros((len(weight), value.n_channels, *weight.shape[2:]))
        wide = zeros.index_copy(1, value.index, weight)
        return Layer(module, value.whole, self.name).of_rows(wide, module.bias)

    def select(self, value: Value, dim: int, index: Tensor) -> Value:
        """Some channels of a map, put off; of a layer, those outputs."""
        if dim != CHANNELS or self.rank not in RANKS:
            return self.function(torch.index_select, self.node(value), dim, self.node(index))
        if isinstance(value, Layer) and value.node is None:
            weight, bias = value.module.weight.detach(), value.module.bias
            return value.of_rows(weight[index], None if bias is None else bias[index])
        return Part(self.node(value), index, self._n_channels_read)


def _said(target: Any) -> str:
    """An operation's name as torch's users write it."""
    return str(target).removeprefix("aten.").partition(".")[0].rstrip("_")
