"""A kept network's operations as torch's layers again: one rule an operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from cgap_bench.errors import UsageError
from cgap_bench.export.layer_writer import CHANNELS, Layer, Rule, Value, Writer

aten = torch.ops.aten
Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def layers_of(program: ExportedProgram) -> fx.GraphModule:
    """The same function, with a module for each operation that torch has a layer for.

    Operations of several blocks side by side, that each read some channels, become one layer
    with zeros where nothing is read: tools for hardware know no slices.

    Args:
        program: Of `cgap_bench.export.kept.load_network`.

    Raises:
        UsageError: It has an operation that is not known here.

    >>> from cgap_bench.export.kept import exported
    >>> layers_of(exported(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (3,)))
    GraphModule(
      (linear): Linear(in_features=3, out_features=2, bias=True)
      (relu): ReLU()
    )
    """
    operations = program.module()
    assert isinstance(operations, fx.GraphModule)
    writer = Writer(operations, RULES)
    writer.run(enable_io_processing=False)
    layers = fx.GraphModule(writer.root, writer.written)
    layers.eval()  # norms are made as for training
    return layers


def _conv2d(
    writer: Writer, x: Value, weight: Tensor, bias: Tensor | None = None, *rest: Any
) -> Value:
    given = _settings(("stride", "padding", "dilation", "groups"), (1, 0, 1, 1), rest)
    n_out, each, *kernel = weight.shape
    n_in = each * given["groups"]
    conv = nn.Conv2d(n_in, n_out, tuple(kernel), bias=bias is not None, **given)  # type: ignore[arg-type]
    return writer.layer(_filled(conv, weight=weight, bias=bias), x)


def _linear(writer: Writer, x: Value, weight: Tensor, bias: Tensor | None = None) -> Value:
    n_out, n_in = weight.shape
    linear = nn.Linear(n_in, n_out, bias=bias is not None)
    return writer.layer(_filled(linear, weight=weight, bias=bias), x)


def _batch_norm(writer: Writer, x: Value, *args: Any) -> Value:
    weight, bias, mean, var, _training, _momentum, eps, _cudnn = args
    if mean is None:
        raise UsageError(
            f"{writer.name}: its norm takes the batch's own mean, and hardware sees no batch;"
            " train with --set network.norm=running"
        )
    kind = nn.BatchNorm2d if writer.rank == 4 else nn.BatchNorm1d
    norm = kind(len(mean), eps=eps, affine=weight is not None)
    tensors = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": var}
    return writer.call(_filled(norm, **tensors), x)


def _max_pool2d(writer: Writer, x: Value, kernel: Any, *rest: Any) -> Value:
    names = ("stride", "padding", "dilation", "ceil_mode")
    given = _settings(names, ((), 0, 1, False), rest)
    given["stride"] = given["stride"] or None
    return writer.call(nn.MaxPool2d(_pair(kernel), **given), x)


def _avg_pool2d(writer: Writer, x: Value, kernel: Any, *rest: Any) -> Value:
    names = ("stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    given = _settings(names, ((), 0, False, True, None), rest)
    given["stride"] = given["stride"] or None
    return writer.call(nn.AvgPool2d(_pair(kernel), **given), x)


def _cat(writer: Writer, values: Sequence[Value], dim: int = 0) -> Value:
    """Side by side; layers that read one map become one layer."""
    parts = [value for value in values if isinstance(value, Layer)]
    alike = len(parts) == len(values) and all(part.joins(parts[0]) for part in parts)
    if dim != CHANNELS or not alike:
        return writer.function(torch.cat, [writer.node(value) for value in values], dim)
    biases = [part.module.bias for part in parts if part.module.bias is not None]
    weight = torch.cat([part.module.weight for part in parts])
    return parts[0].of_rows(weight, torch.cat(biases) if biases else None)


def _narrow(writer: Writer, x: Value, dim: int, start: int, length: int) -> Value:
    return writer.select(x, dim, torch.arange(start, start + length))


def _module(kind: Callable[..., nn.Module]) -> Rule:
    """Of a layer whose constructor takes what the operation takes."""
    return lambda writer, x, *settings: writer.call(kind(*settings), x)


def _of_two(function: Callable[[Any, Any], Any]) -> Rule:
    return lambda writer, x, y: writer.function(function, writer.node(x), writer.node(y))


def _nothing(_: Writer, x: Value, *__: Any) -> Value:
    return x


def _settings(
    names: Sequence[str], defaults: Sequence[Any], given: Sequence[Any]
) -> dict[str, Any]:
    """Settings by name; an operation leaves out what is as usual at its end."""
    values = [*given, *defaults[len(given) :]]
    return {name: _pair(value) for name, value in zip(names, values, strict=True)}


def _pair(value: Any) -> Any:
    """Lists of one or two numbers as torch's layers take them."""
    return (tuple(value) * 2)[:2] if isinstance(value, list | tuple) else value


def _filled(module: Module, **tensors: Tensor | None) -> Module:
    for name, tensor in tensors.items():
        if tensor is not None:
            getattr(module, name).data = tensor.detach().cpu().clone()
    return module


RULES: Mapping[Any, Rule] = {
    aten.conv2d.default: _conv2d,
    aten.conv2d.padding: _conv2d,
    aten.linear.default: _linear,
    aten.batch_norm.default: _batch_norm,
    aten.max_pool2d.default: _max_pool2d,
    aten.avg_pool2d.default: _avg_pool2d,
    aten.adaptive_avg_pool2d.default: _module(nn.AdaptiveAvgPool2d),
    aten.flatten.using_ints: _module(nn.Flatten),
    aten.cat.default: _cat,
    aten.narrow.default: _narrow,
    aten.index_select.default: Writer.select,
    aten.add.Tensor: _of_two(operator.add),
    aten.add_.Tensor: _of_two(operator.add),
    aten.mul.Tensor: _of_two(operator.mul),
    aten.relu.default: _module(nn.ReLU),
    aten.relu_.default: _module(nn.ReLU),
    aten.leaky_relu.default: _module(nn.LeakyReLU),
    aten.sigmoid.default: _module(nn.Sigmoid),
    aten.tanh.default: _module(nn.Tanh),
    aten.dropout.default: _nothing,
    aten.alias.default: _nothing,
}
