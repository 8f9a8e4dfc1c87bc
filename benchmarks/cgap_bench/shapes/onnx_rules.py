"""What each operator of ONNX is to hardware: its role, and the layer that it is.

One rule an operator, as `rules.py` has one a function of torch. An operator without a rule is
work that has no layer shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cgap_bench.shapes.rules import LayerJSON, Role, Rule

Size: TypeAlias = tuple[int, ...]
OperatorFormula: TypeAlias = Callable[["Operator"], LayerJSON | None]

OPERATORS: dict[str, Rule] = {}


@dataclass(frozen=True)
class Operator:
    """A node of a graph as a rule sees it.

    Attributes:
        name: Of the layer.
        inputs: Names of all tensors that are read, constants among them.
        maps: Names of those that come from the network's input.
        output: Name of the first tensor that is written.
        settings: The attributes.
        weight_size: The size of a constant; None if it is computed, or its size not known.
        size: The size of a tensor. Raises `UsageError` where it is not fixed.
    """

    name: str
    inputs: tuple[str, ...]
    maps: tuple[str, ...]
    output: str
    settings: dict[str, Any]
    weight_size: Callable[[str], Size | None]
    size: Callable[[str], Size]


def operator(role: Role, *kinds: str) -> Callable[[OperatorFormula], OperatorFormula]:
    """Decorator: the layer that operators of these kinds are."""

    def register(formula: OperatorFormula) -> OperatorFormula:
        OPERATORS.update(dict.fromkeys(kinds, Rule(role, formula)))
        return formula

    return register


def _register(role: Role, *kinds: str) -> None:
    """Operators of a role that are no layer."""
    OPERATORS.update(dict.fromkeys(kinds, Rule(role)))


_register(
    Role.ACTIVATION,
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish"),
    *("Tanh", "Gelu", "Mish"),
)
_register(
    Role.ADDRESSING,
    *("Identity", "Dropout", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"),
    *("Concat", "Split", "Slice", "Gather", "Cast", "Pad"),
    *("QuantizeLinear", "DequantizeLinear"),
)


@operator(Role.WEIGHTED, "Conv")
def _conv(op: Operator) -> LayerJSON | None:
    weight = op.size(op.inputs[1])
    if len(weight) != 4:
        return None
    dilation = op.settings.get("dilations", [1, 1])
    extra = {"groups": op.settings.get("group", 1), "bias": len(op.inputs) > 2}
    dilated = {"dilation_h": dilation[0], "dilation_w": dilation[1]}
    return _between("conv", op) | _window(op.settings, weight[2:]) | extra | dilated


@operator(Role.WEIGHTED, "Gemm", "MatMul")
def _matrix(op: Operator) -> LayerJSON | None:
    """A product with constant weights; with two computed operands there is no layer."""
    weight = op.weight_size(op.inputs[1])
    if weight is None or len(weight) != 2:
        return None
    n_in, n_out = weight[::-1] if op.settings.get("transB", 0) else weight
    layer = {"name": op.name, "n_in": n_in, "n_out": n_out, "bias": len(op.inputs) > 2}
    positions = op.size(op.output)[1:-1]
    if not positions:
        return layer | {"kind": "linear"}

    height, width = positions[0], 1
    for n in positions[1:]:
        width *= n
    area = {"in_h": height, "out_h": height, "in_w": width, "out_w": width}
    return layer | area | {"kind": "conv"}


@operator(Role.NORM, "BatchNormalization")
@operator(Role.WORK, "Mul", "Div", "LayerNormalization", "InstanceNormalization", "LRN")
def _pass(op: Operator) -> LayerJSON:
    return _between("elementwise", op)


@operator(Role.WORK, "Add", "Sum", "Sub")
def _sum(op: Operator) -> LayerJSON:
    return _between("add" if len(op.maps) > 1 else "elementwise", op)


@operator(Role.SELECTION, "MaxPool")
def _max_pool(op: Operator) -> LayerJSON:
    return _pool(op, "max")


@operator(Role.WORK, "AveragePool")
def _average_pool(op: Operator) -> LayerJSON:
    return _pool(op, "avg")


@operator(Role.SELECTION, "GlobalMaxPool")
def _global_max_pool(op: Operator) -> LayerJSON | None:
    return _global_pool(op, "max")


@operator(Role.WORK, "GlobalAveragePool", "ReduceMean")
def _global_average_pool(op: Operator) -> LayerJSON | None:
    return _global_pool(op, "avg")


def _pool(op: Operator, kind: str) -> LayerJSON:
    window = _window(op.settings, tuple(op.settings["kernel_shape"]))
    return _between("pool", op) | window | {"pool_kind": kind}


def _global_pool(op: Operator, kind: str) -> LayerJSON | None:
    size = op.size(op.maps[0])
    if len(size) != 4:
        return None
    window = {"kernel_h": size[2], "kernel_w": size[3]}
    strides = {"stride_h": size[2], "stride_w": size[3]}
    return _between("pool", op) | window | strides | {"pool_kind": kind}


def _between(kind: str, op: Operator) -> LayerJSON:
    """A layer of a kind, between the first map that is read and what is written."""
    n_in, in_h, in_w = _image(op.size(op.maps[0]))
    n_out, out_h, out_w = _image(op.size(op.output))
    sizes = {"n_in": n_in, "n_out": n_out}
    area = {"in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w}
    return {"name": op.name, "kind": kind} | sizes | area


def _image(size: Size) -> tuple[int, int, int]:
    """Channels, height, width; the batch is dropped."""
    channels, height, width = (*size[1:], 1, 1, 1)[:3]
    return channels, height, width


def _window(settings: dict[str, Any], kernel: Sequence[int]) -> LayerJSON:
    """Kernel, stride and the padding on top and on the left."""
    stride = settings.get("strides", [1, 1])
    padding = settings.get("pads", [0, 0, 0, 0])
    if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        padding = [(n - 1) // 2 for n in kernel]
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding))
    return {f"{key}_{axis}": int(n) for key, pair in values for axis, n in zip("hw", pair)}
