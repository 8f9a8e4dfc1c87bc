"""What each operator of ONNX is to hardware: its role, and the layer that it is.

One rule an operator, as there is one a function of torch (`rules.py`). An operator without a
rule is work that has no layer shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, TypeVar

from cgap_bench.errors import UsageError
from cgap_bench.shapes import forms
from cgap_bench.shapes.forms import LayerJSON, Pair, Size, axes
from cgap_bench.shapes.rules import Layers, Role, Rule

OperatorFormula: TypeAlias = Callable[["Operator"], LayerJSON | Layers | None]

AnyFormula = TypeVar("AnyFormula", bound=OperatorFormula)

OPERATORS: dict[str, Rule] = {}

# Where the weights are among the inputs, and the bias.
WEIGHTS = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
BIAS = {"Conv": 2, "ConvTranspose": 2, "FusedConv": 2, "Gemm": 2, "QLinearConv": 8, "QGemm": 6}


@dataclass(frozen=True)
class Operator:
    """A node of a graph as a rule sees it.

    Attributes:
        name: Of the layer.
        kind: Of the operator.
        inputs: Names of all tensors that are read, constants among them.
        maps: Names of those that come from the network's input.
        output: Name of the first tensor that is written.
        settings: The attributes.
        size: The size of a tensor. Raises `UnsizedError` where it is not fixed.
        values: The numbers of a small constant; None of anything else.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    maps: tuple[str, ...]
    output: str
    settings: dict[str, Any]
    size: Callable[[str], Size]
    values: Callable[[str], list[int] | None]

    def check_depth(self, maps: int, weights: int) -> None:
        """Refuse a product whose operands are not equally deep.

        Raises:
            UsageError: They are not, which sizes given for other inputs may lead to.
        """
        if maps != weights:
            raise UsageError(
                f"{self.kind} {self.name!r} reads {maps} channels with weights for {weights};"
                " other input sizes are needed"
            )

    @property
    def groups(self) -> int:
        """Of a convolution.

        Raises:
            ValueError: There are none.
        """
        groups = int(self.settings.get("group", 1))
        if groups < 1:
            raise ValueError(f"group={groups}, expected at least 1")
        return groups

    @property
    def has_bias(self) -> bool:
        """Whether it adds one."""
        return self.given(BIAS.get(self.kind, len(self.inputs)))

    def given(self, i: int) -> bool:
        """Whether there is such an input: those left out have no name."""
        return i < len(self.inputs) and bool(self.inputs[i])


class UnsizedError(Exception):
    """The size of a tensor depends on the values of maps."""


def operator(role: Role, *kinds: str) -> Callable[[AnyFormula], AnyFormula]:
    """Decorator: the layer that operators of these kinds are."""

    def register(formula: AnyFormula) -> AnyFormula:
        OPERATORS.update(dict.fromkeys(kinds, Rule(role, formula)))
        return formula

    return register


def _register(role: Role, *kinds: str) -> None:
    """Operators of a role that are no layer."""
    OPERATORS.update(dict.fromkeys(kinds, Rule(role)))


_register(
    Role.ACTIVATION,  # any function of one value is a table
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish"),
    *("Tanh", "Gelu", "Mish", "Selu", "Celu", "Softplus", "Softsign", "ThresholdedRelu"),
    *("Swish", "QuickGelu", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Sign"),
    *("Floor", "Ceil", "Round", "Not", "QLinearSigmoid", "QLinearLeakyRelu"),
)
_register(
    Role.ADDRESSING,
    *("Identity", "Dropout", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"),
    *("Concat", "Split", "Slice", "Gather", "Cast", "Pad", "Expand", "Tile", "DepthToSpace"),
    *("SpaceToDepth", "QuantizeLinear", "DequantizeLinear", "QLinearConcat", "Trilu"),
)
_register(Role.CONSTANT, "Shape", "Size")


@operator(Role.WEIGHTED, "Conv", "ConvInteger", "QLinearConv", "FusedConv")
def _convolution(op: Operator) -> LayerJSON | None:
    """Along one axis it is a column: the kernel is as high as it is long, and 1 wide."""
    weight = op.size(op.inputs[WEIGHTS.get(op.kind, 1)])
    if len(weight) not in (3, 4):
        return None
    groups = op.groups
    op.check_depth(op.size(op.maps[0])[1], weight[1] * groups)
    apart = axes(op.settings.get("dilations", 1), len(weight) - 2, 1)
    extra = {"groups": groups, "bias": op.has_bias}
    dilated = {"dilation_h": apart[0], "dilation_w": apart[1]}
    seen = forms.window(*_window(op, weight[2:]))
    return _between("conv", op) | seen | extra | dilated


@operator(Role.WEIGHTED, "ConvTranspose")
def _transposed(op: Operator) -> LayerJSON | None:
    size, weight = op.size(op.inputs[0]), op.size(op.inputs[1])
    if len(weight) not in (3, 4):
        return None
    n, groups = len(weight) - 2, op.groups
    together = axes(op.settings.get("dilations", 1), n, 1) == (1, 1)
    kernel, stride, _ = _window(op, weight[2:])
    steps = stride if together else None
    layer = forms.transposed(op.name, size, weight[1] * groups, kernel, steps, groups)
    return layer | {"bias": op.has_bias}


@operator(Role.NORM, "BatchNormalization")
@operator(Role.WORK, "Mul", "Div", "Pow", "Max", "Min", "Mean", "Where", "Mod", "QLinearMul")
@operator(Role.WORK, "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN")
@operator(Role.WORK, "RMSNormalization", "LpNormalization", "MeanVarianceNormalization")
@operator(Role.WORK, "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or")
def _pass(op: Operator) -> LayerJSON | Layers:
    size = op.size(op.output)
    if prod(size) == 1:  # one number (a scale that is worked out) is no pass over a map
        return []
    return forms.between("elementwise", op.name, size, size)


@operator(Role.WORK, "Resize", "Upsample", "DynamicQuantizeLinear")
def _written_anew(op: Operator) -> LayerJSON:
    return _between("elementwise", op)


@operator(Role.WORK, "Add", "Sum", "Sub", "QLinearAdd")
def _sum(op: Operator) -> LayerJSON | Layers:
    if len(op.maps) < 2:
        return _pass(op)
    size = op.size(op.output)
    return forms.between("add", op.name, size, size)


@operator(Role.SELECTION, "MaxPool")
def _max_pool(op: Operator) -> LayerJSON | None:
    return _pool(op, "max")


@operator(Role.WORK, "AveragePool", "LpPool", "QLinearAveragePool")
def _average_pool(op: Operator) -> LayerJSON | None:
    return _pool(op, "avg")


@operator(Role.SELECTION, "GlobalMaxPool")
def _global_max_pool(op: Operator) -> LayerJSON:
    return _over_image(op, "max")


@operator(Role.WORK, "GlobalAveragePool", "QLinearGlobalAveragePool")
def _global_average_pool(op: Operator) -> LayerJSON:
    return _over_image(op, "avg")


@operator(Role.WORK, "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare")
def _mean(op: Operator) -> LayerJSON | None:
    return _reduced(op, "avg")


@operator(Role.SELECTION, "ReduceMax", "ReduceMin")
def _greatest(op: Operator) -> LayerJSON | None:
    return _reduced(op, "max")


def _reduced(op: Operator, kind: str) -> LayerJSON | None:
    """Axes are an attribute, or in newer files a constant; without any, all."""
    axes = op.settings.get("axes")
    if axes is None:
        axes = op.values(op.inputs[1]) if op.given(1) else []
    if axes is None:
        return None
    return forms.reduction(op.name, kind, op.size(op.inputs[0]), axes)


def _over_image(op: Operator, kind: str) -> LayerJSON:
    size = op.size(op.maps[0])
    return forms.reduction(op.name, kind, size, range(2, len(size)))


def _pool(op: Operator, kind: str) -> LayerJSON | None:
    kernel = op.settings["kernel_shape"]
    if len(kernel) > 2:
        return None
    size, out = op.size(op.maps[0]), op.size(op.output)
    return forms.pool(op.name, kind, size, out, _window(op, kernel))


def _between(kind: str, op: Operator) -> LayerJSON:
    """A layer of a kind, between the first map that is read and what is written."""
    return forms.between(kind, op.name, op.size(op.maps[0]), op.size(op.output))


def _window(op: Operator, kernel: Any) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and the padding on top and on the left."""
    n = len(kernel)
    stride = op.settings.get("strides", 1)
    padding = op.settings.get("pads", [0] * 2 * n)[:n]
    if op.settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        padding = [(size - 1) // 2 for size in kernel]
    return axes(kernel, n, 1), axes(stride, n, 1), axes(padding, n, 0)
