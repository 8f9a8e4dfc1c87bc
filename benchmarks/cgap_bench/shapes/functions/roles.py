"""What torch's functions are to hardware: roles, and the registry of rules.

One rule a function, in the manner of `torch.utils.flop_counter`. A rule is registered under the
function's name for all its spellings (``add``: ``torch.add``, ``Tensor.add_``, ``+``, ``+=``);
it takes the site and then the arguments of that function. The formulas are in `passes.py`,
`products.py` and `windows.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from cgap_bench.shapes.forms import LayerJSON


class Role(Enum):
    """What a function does with the maps that it reads."""

    WEIGHTED = auto()  # multiplies its first argument with the second, weights, and accumulates
    NORM = auto()  # a factor and a shift a channel; folded into weighted work right before it
    ACTIVATION = auto()  # done on the fly by the unit that writes; with 8 bits, a table
    CHANNELS = auto()  # chooses or joins whole channels: addressing, no work
    ADDRESSING = auto()  # chooses, joins or relabels values in another way
    CONSTANT = auto()  # reads the sizes of its argument, no values
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

    def reads(self, x: Tensor) -> bool:
        """Whether an argument is a map, not weights or a constant."""
        return any(x is one for one in self.maps)


Layers: TypeAlias = list[LayerJSON]  # one after the other, each reading the one before
Formula: TypeAlias = Callable[..., LayerJSON | Layers | None]
AnyFormula = TypeVar("AnyFormula", bound=Formula)


@dataclass(frozen=True)
class Rule:
    """Role of a function, and the layers that a call of it is (None: it has no shape)."""

    role: Role
    layer: Formula | None = None


MOVES = (
    "_unsafe_view",
    "_to_copy",
    "copy",
    "copy_",
    "unsafe_split",
)  # operators that no function stands for
UNKNOWN = Rule(Role.WORK)
RULES: dict[Any, Rule] = {}


def rule_of(function: Any) -> Rule:
    """The rule of a function."""
    if function.__name__ == "__get__":  # attributes of tensors, such as x.T
        return Rule(Role.ADDRESSING)
    return RULES.get(function, UNKNOWN)


def rule_of_operator(operator: Any) -> Rule:
    """The rule of one of torch's operators (``aten.mm.default``): that of its function."""
    name = operator.overloadpacket.__name__
    if operator.is_view or name in MOVES:
        return Rule(Role.ADDRESSING)
    owners = (torch, functional, Tensor)
    functions = (getattr(owner, name) for owner in owners if hasattr(owner, name))
    rules = (RULES[function] for function in functions if function in RULES)
    return next(rules, UNKNOWN)


def rule(role: Role, *names: str) -> Callable[[AnyFormula], AnyFormula]:
    """Decorator: the layer that calls of these functions are.

    Raises:
        ValueError: Torch has no function of that name.
    """

    def register(formula: AnyFormula) -> AnyFormula:
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
    *("hardswish", "hardsigmoid", "sigmoid", "tanh", "mish", "selu", "celu", "softplus"),
    *("softsign", "logsigmoid", "threshold", "clamp", "clamp_min", "erf", "exp"),
)
_register(
    Rule(Role.CHANNELS), "cat", "concat", "index_select", "narrow", "dropout", "dropout2d"
)
_register(
    Rule(Role.ADDRESSING),
    *("flatten", "unflatten", "reshape", "view", "contiguous", "getitem", "chunk", "split"),
    *("transpose", "permute", "unsqueeze", "squeeze", "expand", "unbind", "roll", "pad"),
    *("clone", "stack", "index", "constant_pad_nd"),
    *("size", "dim"),  # what they return is no map
)
_register(
    Rule(Role.CONSTANT),
    *("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
    *("zeros_like", "ones_like", "full_like", "empty_like"),
)
