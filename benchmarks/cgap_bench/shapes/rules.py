"""What each of torch's functions is to hardware: its role, and the layer that it is.

One rule a function, in the manner of `torch.utils.flop_counter`. A rule is registered under the
function's name for all its spellings (``add``: ``torch.add``, ``Tensor.add_``, ``+``, ``+=``);
it takes the site and then the arguments of that function. A function without a rule is work
that has no layer shape. Modules need no rules: what they call is what they do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

LayerJSON: TypeAlias = dict[str, Any]  # the fields of a `cgap_hw.LayerShape`
Pair: TypeAlias = tuple[int, int]


class Role(Enum):
    """What a function does with the maps that it reads."""

    WEIGHTED = auto()  # multiplies with weights and accumulates
    NORM = auto()  # a factor and a shift a channel; folded into weighted work right before it
    ACTIVATION = auto()  # done on the fly by the unit that writes; with 8 bits, a table
    CHANNELS = auto()  # chooses or joins whole channels: addressing, no work
    ADDRESSING = auto()  # chooses, joins or relabels values in another way
    SELECTION = auto()  # writes some of the values that it reads
    WORK = auto()  # everything else


@dataclass(frozen=True)
class Site:
    """A call as a rule sees it.

    Attributes:
        name: Of the layer: the module's, or the function's where that is in no torch module.
        maps: What is read, without weights and constants.
        out: What is written.
    """

    name: str
    maps: tuple[Tensor, ...]
    out: Tensor


Formula: TypeAlias = Callable[..., LayerJSON | None]


@dataclass(frozen=True)
class Rule:
    """Role of a function, and the layer that a call of it is (None: it has no shape)."""

    role: Role
    layer: Formula | None = None


UNKNOWN = Rule(Role.WORK)
RULES: dict[Any, Rule] = {}


def rule_of(function: Any) -> Rule:
    """The rule of a function."""
    if function.__name__ == "__get__":  # attributes of tensors, such as x.T
        return Rule(Role.ADDRESSING)
    return RULES.get(function, UNKNOWN)


def rule(role: Role, *names: str) -> Callable[[Formula], Formula]:
    """Decorator: the layer that calls of these functions are.

    Raises:
        ValueError: Torch has no function of that name.
    """

    def register(formula: Formula) -> Formula:
        _register(Rule(role, formula), *names)
        return formula

    return register


def _register(what: Rule, *names: str) -> None:
    for name in names:
        spellings = list(_spellings(name))
        if not spellings:
            raise ValueError(f"torch has no function {name!r}")
        RULES.update(dict.fromkeys(spellings, what))


def _spellings(name: str) -> Iterator[Any]:
    """``torch.add``, ``Tensor.add``, ``Tensor.add_``, and what stands behind + and +=."""
    forms = (name, f"{name}_", f"__{name}__", f"__i{name}__", f"__r{name}__")
    for owner in (torch, functional, Tensor):
        yield from (getattr(owner, form) for form in forms if hasattr(owner, form))


_register(
    Rule(Role.ACTIVATION),
    *("relu", "relu6", "hardtanh", "leaky_relu", "prelu", "elu", "gelu", "silu"),
    *("hardswish", "hardsigmoid", "sigmoid", "tanh"),
)
_register(
    Rule(Role.CHANNELS), "cat", "concat", "index_select", "narrow", "dropout", "dropout2d"
)
_register(
    Rule(Role.ADDRESSING),
    *("flatten", "unflatten", "reshape", "view", "contiguous", "getitem", "chunk", "split"),
    *("transpose", "permute", "unsqueeze", "squeeze", "expand", "unbind", "roll", "pad"),
    *("size", "dim"),  # what they return is no map
)


@rule(Role.WEIGHTED, "conv2d")
def _conv2d(  # noqa: PLR0913, PLR0917 - the arguments of torch
    site: Site,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> LayerJSON:
    kernel, apart = _pair(weight.shape[2:]), _pair(dilation)
    window = _window(kernel, _pair(stride), _padding(padding, kernel, apart))
    # Only where there is one, so that older records keep their hashes.
    dilated = {} if apart == (1, 1) else {"dilation_h": apart[0], "dilation_w": apart[1]}
    extra = {"groups": groups, "bias": bias is not None}
    return plain("conv", site.name, x, site.out) | window | dilated | extra


@rule(Role.WEIGHTED, "linear")
def _linear(site: Site, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> LayerJSON:
    """Applied to many positions (channels last) it is a 1 x 1 convolution."""
    has_bias = {"bias": bias is not None}
    positions = tuple(site.out.shape[1:-1])
    if not positions:
        return plain("linear", site.name, x, site.out) | has_bias

    height, width = positions[0], 1
    for size in positions[1:]:
        width *= size
    area = {"in_h": height, "in_w": width, "out_h": height, "out_w": width}
    sizes = {"n_in": weight.shape[1], "n_out": weight.shape[0]}
    return plain("conv", site.name, x, site.out) | sizes | area | has_bias


@rule(Role.NORM, "batch_norm")
@rule(Role.WORK, "layer_norm", "group_norm", "local_response_norm")
def _norm(site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON:
    return plain("elementwise", site.name, x, site.out)


def norm_of_batch(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> bool:
    """Whether a call of batch norm takes the batch's own statistics: no weights hold those."""
    return training


@rule(Role.WORK, "mul", "div", "truediv")
def _product(site: Site, *_: Any, **__: Any) -> LayerJSON:
    """One pass over the map that is written; a factor may be smaller (a gate a channel)."""
    return plain("elementwise", site.name, site.out, site.out)


@rule(Role.WORK, "add", "sub")
def _sum(site: Site, *_: Any, **__: Any) -> LayerJSON:
    """A sum of two maps, or one pass where the other term is a constant."""
    if len(site.maps) > 1:
        return plain("add", "sum", site.maps[0], site.out)
    return plain("elementwise", site.name, site.out, site.out)


@rule(Role.SELECTION, "max_pool2d")
def _max_pool(
    site: Site,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *_: Any,
    **__: Any,
) -> LayerJSON | None:
    return _pool(site, "max", x, kernel_size, stride, padding)


@rule(Role.WORK, "avg_pool2d")
def _average_pool(
    site: Site,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *_: Any,
    **__: Any,
) -> LayerJSON | None:
    return _pool(site, "avg", x, kernel_size, stride, padding)


@rule(Role.SELECTION, "adaptive_max_pool2d")
def _adaptive_max_pool(site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON | None:
    return _adaptive_pool(site, "max", x)


@rule(Role.WORK, "adaptive_avg_pool2d")
def _adaptive_average_pool(site: Site, x: Tensor, *_: Any, **__: Any) -> LayerJSON | None:
    return _adaptive_pool(site, "avg", x)


@rule(Role.WORK, "mean")
def _mean(site: Site, x: Tensor, *over: Any, **options: Any) -> LayerJSON | None:
    """Over the image it is a pool; of everything there is no image left."""
    return _adaptive_pool(site, "avg", x) if over or options else None


def plain(kind: str, name: str, x: Tensor, out: Tensor) -> LayerJSON:
    """A layer of a kind, between two tensors; window, groups and bias of a plain pass."""
    (n_in, in_h, in_w), (n_out, out_h, out_w) = _image(x), _image(out)
    sizes = {"n_in": n_in, "n_out": n_out}
    area = {"in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w}
    others = {"groups": 1, "pool_kind": None, "bias": False}
    return (
        {"name": name, "kind": kind} | sizes | area | _window((1, 1), (1, 1), (0, 0)) | others
    )


def _pool(
    site: Site, kind: str, x: Tensor, kernel: Any, stride: Any, padding: Any
) -> LayerJSON | None:
    """The pool that a call is; None where it does not read images."""
    if x.ndim != 4:
        return None
    window = _window(_pair(kernel), _pair(stride or kernel), _pair(padding or 0))
    return plain("pool", site.name, x, site.out) | window | {"pool_kind": kind}


def _adaptive_pool(site: Site, kind: str, x: Tensor) -> LayerJSON | None:
    """Kernel and stride of an adaptive pool follow from the two sizes."""
    if x.ndim != 4:
        return None
    (_, in_h, in_w), (_, out_h, out_w) = _image(x), _image(site.out)
    kernel = (max(1, in_h // out_h), max(1, in_w // out_w))
    return _pool(site, kind, x, kernel, kernel, 0)


def _image(x: Tensor) -> tuple[int, int, int]:
    """Channels, height and width of one item of a batch."""
    _, channels, *size = (*x.shape, 1) if x.ndim == 1 else x.shape
    height, width = (*size, 1, 1)[:2]
    return channels, height, width


def _padding(padding: Any, kernel: Pair, dilation: Pair) -> Pair:
    if padding == "valid":
        return (0, 0)
    if padding == "same":
        return (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    return _pair(padding)


def _window(kernel: Pair, stride: Pair, padding: Pair) -> LayerJSON:
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding))
    return {f"{key}_{axis}": n for key, pair in values for axis, n in zip("hw", pair)}


def _pair(value: Any) -> Pair:
    if isinstance(value, (tuple, list)):
        return (int(value[0]), int(value[-1]))
    return (int(value), int(value))
