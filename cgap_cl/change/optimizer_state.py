"""Carry optimizer state through an IndexMap; the only writer of it.

Survivors keep their moments bit for bit. Newborns have first moments zero (they have no past
step) and their parent's second moments (so that adaptive rates do not start from nothing).
Learning rates stay.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn

from cgap_cl.blocks.index_maps import IndexMap, TensorChange

# torch.optim state that measures the size of gradients or weights, not their last direction:
# a newborn takes its parent's, as its gradients are like its parent's
SECOND_MOMENTS = (
    "exp_avg_sq",
    "max_exp_avg_sq",
    "square_avg",
    "acc_delta",
    "sum",
    "exp_inf",
    "ax",
    "step_size",
)
# state that is zero for a parameter without a past: directions, and the last gradient
FIRST_MOMENTS = ("momentum_buffer", "exp_avg", "grad_avg", "prev")
REFUSED = ("LBFGS", "Adafactor", "SparseAdam", "Muon")


def check_supported(optimizer: torch.optim.Optimizer) -> None:
    """Raise TypeError for optimizers whose state cannot follow a change of structure."""
    for kind in type(optimizer).__mro__:
        if kind.__name__ in REFUSED and kind.__module__.startswith("torch.optim"):
            raise TypeError(
                f"optimizer {kind.__name__} cannot follow a growing network: its state is not "
                "shaped like the parameters; use SGD, Adam, AdamW or another "
                "element-wise optimizer of torch.optim"
            )
    _check_state(optimizer)


def _check_state(optimizer: torch.optim.Optimizer) -> None:
    """Refuse state whose meaning is unknown: a newborn's would be a guess.

    A copy of the weights, as schedule-free optimizers and Lookahead keep, must not begin
    at zero.
    """
    supported = (*FIRST_MOMENTS, *SECOND_MOMENTS)
    for state in optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.dim() and key not in supported:
                raise TypeError(
                    f"optimizer {type(optimizer).__name__} keeps '{key}' for every weight, "
                    "and what that is of a newborn is not known; supported state: "
                    f"{', '.join(sorted(supported))} (element-wise optimizers of torch.optim)"
                )


@contextmanager
def dill_finds_optimizers() -> Iterator[None]:
    """Give ``torch.optim`` its modules as attributes while a checkpoint is written.

    torch deletes them (``torch.optim.sgd``); dill then does not find an optimizer's class by
    its name, stores the class by value and dies of what the class refers to. Avalanche's
    checkpoints are made with dill::

        with dill_finds_optimizers():
            save_checkpoint(strategy, "state.pt")

    Loading needs no such help.

    >>> import dill
    >>> optimizer = torch.optim.SGD([torch.zeros(2)], lr=0.1)
    >>> with dill_finds_optimizers():
    ...     again = dill.loads(dill.dumps(optimizer))
    >>> type(again) is torch.optim.SGD
    True
    """
    deleted: dict[str, ModuleType] = {}
    for name, module in sys.modules.items():
        package, _, last = name.rpartition(".")
        if package == "torch.optim" and not hasattr(torch.optim, last):
            deleted[last] = module

    for name, module in deleted.items():
        setattr(torch.optim, name, module)
    try:
        yield
    finally:
        for name in deleted:
            delattr(torch.optim, name)


def carry(optimizer: torch.optim.Optimizer, index_map: IndexMap) -> None:
    """Swap changed parameters and bring their state along.

    Args:
        optimizer: any torch.optim optimizer with parameter-shaped state.
        index_map: what a plan did.

    Raises:
        TypeError: a state tensor is not shaped like its parameter, or of an unknown name.
    """
    _check_state(optimizer)
    swapped: dict[nn.Parameter, nn.Parameter] = {}
    for change in index_map.tensors:
        old = change.old
        if not isinstance(old, nn.Parameter) or not isinstance(change.new, nn.Parameter):
            continue  # a running statistic, or the like

        swapped[old] = change.new
        state = optimizer.state.pop(old, None)
        if state is not None:
            optimizer.state[change.new] = {
                key: _carried(optimizer, key, value, change) for key, value in state.items()
            }

    for group in optimizer.param_groups:
        group["params"] = [swapped.get(p, p) for p in group["params"]]


def _carried(
    optimizer: torch.optim.Optimizer, key: str, value: object, change: TensorChange
) -> object:
    """One entry of a parameter's state, in the shape that the parameter has now."""
    if not isinstance(value, Tensor) or value.dim() == 0:  # a count of steps, say
        return value
    if value.shape != change.old.shape:
        raise TypeError(
            f"{type(optimizer).__name__}: state '{key}' has shape {tuple(value.shape)}, "
            f"its parameter {tuple(change.old.shape)}; only parameter-shaped state can follow"
        )
    return change.carry(value, newborn=None if key in SECOND_MOMENTS else 0.0)


def adopt(
    optimizer: torch.optim.Optimizer,
    named: Iterable[tuple[str, nn.Parameter]],
    places: Mapping[nn.Parameter, int] | None = None,
) -> None:
    """Make the optimizer hold exactly these parameters, each once and in the order given.

    Args:
        optimizer: whatever it held before; state of parameters that stay is untouched.
        named: every live parameter with its name in the network.
        places: parameter group of each newcomer; the last one by default.
    """
    names = {parameter: name for name, parameter in named}
    live, wanted = list(names), set(names)
    groups = optimizer.param_groups

    held: set[nn.Parameter] = set()
    homes: dict[nn.Parameter, int] = {}
    for number, group in enumerate(groups):
        own = (wanted & set(group["params"])) - held
        held |= own
        homes |= dict.fromkeys(own, number)

    last = len(groups) - 1
    homes |= {p: (places or {}).get(p, last) for p in wanted - held}
    for number, group in enumerate(groups):
        own = {p for p, home in homes.items() if home == number}
        group["params"] = [p for p in live if p in own]  # one order whatever happened before
        if "param_names" in group:  # made from named_parameters()
            group["param_names"] = [names[p] for p in group["params"]]

    for parameter in [p for p in optimizer.state if p not in wanted]:
        del optimizer.state[parameter]


class Places:
    """In which parameter group a layer's parameters are, whatever block holds them."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def learn(
        self, optimizer: torch.optim.Optimizer, named: Iterable[tuple[str, nn.Parameter]]
    ) -> None:
        """Note the groups of the parameters that the optimizer holds.

        Args:
            optimizer: the optimizer.
            named: names in the network, with their parameters.
        """
        groups = enumerate(optimizer.param_groups)
        held = {parameter: number for number, group in groups for parameter in group["params"]}
        self._known |= {_role(name): held[p] for name, p in named if p in held}

    def of(self, named: Iterable[tuple[str, nn.Parameter]]) -> dict[nn.Parameter, int]:
        """The group of every parameter whose layer is known; a lateral goes with its layer."""
        return {p: self._known[_role(name)] for name, p in named if _role(name) in self._known}

    def hand_over(
        self,
        optimizer: torch.optim.Optimizer,
        gone: nn.Module | None,
        column: nn.Module,
        live: Iterable[tuple[str, nn.Parameter]],
    ) -> None:
        """Let an optimizer that holds a column that is gone hold another, layer by layer.

        Args:
            optimizer: the optimizer.
            gone: the column that is gone; None: there was none.
            column: the one that is there.
            live: every live parameter with its name in the network.
        """
        if gone is not None:
            self.learn(optimizer, gone.named_parameters())
        adopt(optimizer, live, self.of(column.named_parameters()))


def _role(name: str) -> str:
    """``"blocks.2.body.conv.laterals.0.op.weight"`` -> ``"body.conv.own.weight"``."""
    inside = re.sub(r"^blocks\.\d+\.", "", name)
    return re.sub(r"\.laterals\.\d+\.op\.", ".own.", inside)
