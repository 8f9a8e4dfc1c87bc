"""What torch's modules and functions are to the cost model: layers, or nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Layer = dict[str, Any]

# Done on the fly by the unit that produces or reads the values; 8-bit activations are tables.
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish,
    nn.Hardsigmoid, nn.Sigmoid, nn.Tanh,
)  # fmt: skip
PASSIVE = (nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Unflatten, nn.Identity)
BATCH_NORMS = (_BatchNorm,)
# Statistics of the image itself cannot be folded into weights.
OTHER_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)
MAX_POOLS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
AVERAGE_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)

SUMS = {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "__sub__"}
PRODUCTS = {"mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "__truediv__"}
JOINS = {"cat", "concat", "index_select", "narrow"}
# Functions that only choose, join or relabel channels: addressing, no work.
ADDRESSING = JOINS | {
    "flatten", "reshape", "view", "contiguous", "__get__", "__getitem__", "size", "dim",
    "chunk", "split", "transpose", "permute", "unsqueeze", "squeeze", "dropout",
    "stochastic_depth",
    "expand", "unbind", "roll", "pad",
}  # fmt: skip
ACTIVATION_FUNCTIONS = {
    "relu", "relu_", "relu6", "sigmoid", "silu", "gelu", "hardswish", "hardsigmoid", "tanh",
}  # fmt: skip
PASSES = PRODUCTS | {"layer_norm", "group_norm"}
POOLS = {
    "max_pool2d": "max",
    "boolean_dispatch": "max",  # how torch.nn.functional.max_pool2d calls itself
    "avg_pool2d": "avg",
    "adaptive_max_pool2d": "max",
    "adaptive_avg_pool2d": "avg",
    "mean": "avg",
}


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def plain(kind: str, name: str, x: Tensor, output: Tensor) -> Layer:
    """A layer of a kind, between two tensors; window, groups and bias of a plain pass."""
    (n_in, in_h, in_w), (n_out, out_h, out_w) = _image(x), _image(output)
    return {
        "name": name, "kind": kind, "n_in": n_in, "n_out": n_out,
        "in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w,
        "kernel_h": 1, "kernel_w": 1, "stride_h": 1, "stride_w": 1,
        "padding_h": 0, "padding_w": 0, "groups": 1, "pool_kind": None, "bias": False,
    }  # fmt: skip


def module_layer(name: str, module: nn.Module, x: Tensor, output: Tensor) -> Layer | None:
    """The layer that a leaf module is; None if there is no rule for it."""
    if isinstance(module, nn.Conv2d):
        extra = {"groups": module.groups, "bias": module.bias is not None}
        window = _window(module, x, output) | _dilation(module)
        return plain("conv", name, x, output) | window | extra
    if isinstance(module, nn.Linear):
        return _linear(name, module, x, output)
    if isinstance(module, (*MAX_POOLS, *AVERAGE_POOLS)):
        kind = "max" if isinstance(module, MAX_POOLS) else "avg"
        return plain("pool", name, x, output) | _window(module, x, output) | {"pool_kind": kind}
    if isinstance(module, (*BATCH_NORMS, *OTHER_NORMS)):
        return plain("elementwise", name, x, output)
    return None


def pool_layer(name: str, x: Tensor, output: Tensor, settings: Sequence[Any]) -> Layer | None:
    """The pool that a function call is; None where the result is no smaller image.

    Args:
        name: A key of `POOLS`.
        x: (N, C, H, W).
        output: What the call returned.
        settings: The call's arguments behind the tensor.
    """
    if x.ndim != 4 or not settings:
        return None
    if name in ("max_pool2d", "avg_pool2d", "boolean_dispatch"):
        values = [*settings, *(None, 0)][:3]
        kernel = _pair(values[0])
        stride, padding = _pair(values[1] or kernel), _pair(values[2] or 0)
        window = _sizes(kernel, stride, padding)
    else:
        window = _adaptive(x, output)
    return plain("pool", name, x, output) | window | {"pool_kind": POOLS[name]}


def _linear(name: str, module: nn.Linear, x: Tensor, output: Tensor) -> Layer:
    """A linear layer; applied to many positions (channels last) it is a 1 x 1 convolution."""
    sizes = {"n_in": module.in_features, "n_out": module.out_features}
    bias = {"bias": module.bias is not None}
    positions = tuple(output.shape[1:-1])
    if not positions:
        return plain("linear", name, x, output) | bias
    height, width = positions[0], 1
    for size in positions[1:]:
        width *= size
    area = {"in_h": height, "in_w": width, "out_h": height, "out_w": width}
    return plain("conv", name, x, output) | sizes | area | bias


def _image(x: Tensor) -> tuple[int, int, int]:
    """Channels, height and width of one item of a batch."""
    _, channels, *size = (*x.shape, 1) if x.ndim == 1 else x.shape
    height, width = (*size, 1, 1)[:2]
    return channels, height, width


def _window(module: nn.Module, x: Tensor, output: Tensor) -> Layer:
    """Kernel, stride and padding of a module."""
    if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        return _adaptive(x, output)
    kernel = _pair(module.kernel_size)
    return _sizes(kernel, _pair(module.stride), _padding(module, kernel))


def _padding(module: nn.Module, kernel: tuple[int, int]) -> tuple[int, int]:
    padding = module.padding
    if padding == "valid":
        return (0, 0)
    if padding == "same":
        dilation = _pair(module.dilation)
        return (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    return _pair(padding)


def _adaptive(x: Tensor, output: Tensor) -> Layer:
    """Kernel and stride of an adaptive pool follow from the two sizes."""
    (_, in_h, in_w), (_, out_h, out_w) = _image(x), _image(output)
    kernel = (max(1, in_h // out_h), max(1, in_w // out_w))
    return _sizes(kernel, kernel, (0, 0))


def _sizes(kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> Layer:
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding))
    return {f"{key}_{axis}": n for key, pair in values for axis, n in zip("hw", pair)}


def _dilation(module: nn.Conv2d) -> Layer:
    """Only where there is one, so that older records keep their hashes."""
    height, width = _pair(module.dilation)
    return {} if height == width == 1 else {"dilation_h": height, "dilation_w": width}


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return (int(value[0]), int(value[-1]))
    return (int(value), int(value))
