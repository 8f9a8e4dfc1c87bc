"""What must be kept of an object so that it goes on as if it had never stopped.

Plain values and tensors alone, which `torch.load(..., weights_only=True)` reads back: nothing
in a checkpoint is ever executed. An object says what it is about in one of two ways:

- `state_dict()` and `load_state_dict(saved)`, as torch's modules and optimizers have them; a
  plugin that keeps copies of the network writes `load_state_dict(saved, model)`;
- a class attribute `STATE`, the names of its attributes that training changes. Subclasses name
  only what they add; what is made anew at the start of an experience is not named.
"""

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any

import torch
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.plugins.clock import Clock
from avalanche.training.templates.base_sgd import PeriodicEval
from avalanche.training.utils import ParamData
from torch import Generator, Tensor, nn

Saved = Mapping[str, Any]

# Avalanche's own, which name nothing
OF_AVALANCHE: dict[type, tuple[str, ...]] = {
    Clock: tuple(vars(Clock())),
    EvaluationPlugin: (),  # metrics of its own are no part of a record
    PeriodicEval: (),
}
KIND = "(kind)"  # key of a value that is more than what it is made of
PLAIN: tuple[Callable[[Any], Any], ...] = (bool, int, float, str, bytes)


def state_of(thing: Any) -> dict[str, Any]:
    """All that training changes of an object.

    Raises:
        TypeError: It does not say what that is, or has something that cannot be kept.

    Example:
        >>> clock = Clock()
        >>> clock.train_iterations = 3
        >>> state_of(clock)["train_iterations"]
        3
    """
    if hasattr(thing, "state_dict"):
        state: dict[str, Any] = packed(thing.state_dict())
        return state
    return {name: packed(getattr(thing, name)) for name in declared(thing)}


def take_up(thing: Any, saved: Saved, model: nn.Module | None = None) -> None:
    """Put an object of the same making into a state that `state_of` gave.

    Args:
        thing: The object.
        saved: Its state.
        model: Of the strategy, for those that ask for it: its structure is what it was then.
    """
    values = unpacked(saved)
    if hasattr(thing, "load_state_dict"):
        asks = "model" in signature(thing.load_state_dict).parameters
        thing.load_state_dict(values, **({"model": model} if asks else {}))
        return
    for name, value in values.items():
        present = getattr(thing, name, None)
        if isinstance(present, Generator):  # others may draw from it
            present.set_state(value.get_state())
        elif isinstance(present, dict):  # it may be more than a plain one
            present.clear()
            present.update(value)
        else:
            setattr(thing, name, value)


def check_stateful(thing: Any) -> None:
    """Raise TypeError for an object that does not say what its state is."""
    if not hasattr(thing, "state_dict"):
        declared(thing)


def declared(thing: Any) -> list[str]:
    """The attributes that an object and its base classes name as their state.

    Raises:
        TypeError: None of them says anything.
    """
    kinds = type(thing).__mro__
    named = [vars(kind).get("STATE", OF_AVALANCHE.get(kind)) for kind in kinds]
    if all(names is None for names in named):
        raise TypeError(
            f"{type(thing).__name__} does not say what training changes of it: give it STATE,"
            " the names of those attributes (an empty tuple: none), or state_dict and"
            " load_state_dict"
        )
    return [name for names in named for name in names or ()]


def packed(value: Any) -> Any:
    """The same value of plain values and tensors; tensors are not copied.

    Raises:
        TypeError: There is something else in it.
    """
    if isinstance(value, Tensor):
        return _of_its_own(value.detach())
    if isinstance(value, Mapping):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [packed(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    for kind, (of, parts, _) in KINDS.items():
        if isinstance(value, of):
            return {KIND: kind, "of": packed(parts(value))}
    return _plain(value)


def unpacked(value: Any) -> Any:
    """The inverse of `packed`."""
    if isinstance(value, dict):
        if KIND in value:
            _, _, whole = KINDS[value[KIND]]
            return whole(unpacked(value["of"]))
        return {key: unpacked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [unpacked(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def _plain(value: Any) -> Any:
    """A plain value; of a subclass the plain part, since a class would not be read back."""
    if value is None:
        return None
    for plain in PLAIN:
        if isinstance(value, plain):  # type: ignore[arg-type]
            return plain(value)
    raise TypeError(f"a {type(value).__name__} cannot be kept in a checkpoint: {value!r:.80}")


def _of_its_own(tensor: Tensor) -> Tensor:
    """A view brings all that it is a view of into the file; its copy does not."""
    whole = tensor.untyped_storage().nbytes()
    return tensor.clone() if whole > tensor.numel() * tensor.element_size() else tensor


def _generator(state: Tensor) -> Generator:
    generator = Generator()
    generator.set_state(state)
    return generator


def _param_data(parts: tuple[str, Tensor]) -> ParamData:
    name, values = parts
    return ParamData(name, init_tensor=values, device=values.device)


# Name -> type, what it is made of, how it is made of that.
KINDS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "set": (set, sorted, set),
    "frozenset": (frozenset, sorted, frozenset),
    "generator": (Generator, Generator.get_state, _generator),
    "ParamData": (ParamData, lambda data: (data.name, data.data), _param_data),
}


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """What an optimizer holds, by the names of the model's parameters.

    Raises:
        ValueError: It holds a parameter that the model does not have.
    """
    names: dict[Any, str] = {parameter: name for name, parameter in model.named_parameters()}
    strangers = [p for p in _held(optimizer) if p not in names]
    if strangers:
        shapes = ", ".join(str(tuple(p.shape)) for p in strangers)
        raise ValueError(f"the optimizer holds parameters that are not the model's: {shapes}")

    groups = [
        packed({**group, "params": [names[p] for p in group["params"]]})
        for group in optimizer.param_groups
    ]
    per_parameter = {names[p]: packed(state) for p, state in optimizer.state.items()}
    return {"groups": groups, "state": per_parameter}


def take_up_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, saved: Saved) -> None:
    """The inverse of `optimizer_state`; the model is as it was then, its parameters too."""
    parameters = dict(model.named_parameters())
    for group, theirs in zip(optimizer.param_groups, saved["groups"], strict=True):
        group.clear()
        group.update(unpacked(theirs))
        group["params"] = [parameters[name] for name in theirs["params"]]
    optimizer.state.clear()
    for name, state in saved["state"].items():
        optimizer.state[parameters[name]] = unpacked(state)


def _held(optimizer: torch.optim.Optimizer) -> Iterable[Any]:
    yield from (p for group in optimizer.param_groups for p in group["params"])
    yield from optimizer.state
