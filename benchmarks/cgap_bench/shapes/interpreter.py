"""One forward pass watched: every function that reads what came from the input meets its rule.

Tracing (`tracing.py`) and rounding to words of few bits (`cgap_bench.learn.quantise`) are two
interpretations of the same pass: both follow values from function to function, keep a note on
every map, and decide by the role that `rules.py` gives a function.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from cgap_bench.shapes.rules import Rule, rule_of, rule_of_operator

Note = TypeVar("Note")


@dataclass(frozen=True)
class Call:
    """A function of torch about to be called."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        """What the function returns."""
        return self.function(*self.arguments, **self.options)

    @property
    def name(self) -> str:
        """The function's, without the underscores of its spelling."""
        return str(self.function.__name__).strip("_")

    @property
    def in_place(self) -> bool:
        """Whether it writes over its first argument: ``add_`` and ``__iadd__``."""
        name = self.function.__name__
        if name.endswith("__"):
            return name.startswith("__i")
        return name.endswith("_")

    @property
    def tensors(self) -> list[Tensor]:
        """Every tensor among the arguments."""
        return list(tensors([self.arguments, list(self.options.values())]))


class Interpreter(TorchFunctionMode, Generic[Note]):
    """Follows maps through the functions of a forward pass.

    A tensor is a map once it has a note. The input gets the first one (`put`); `meet` is called
    for every function that reads maps and puts notes on what it returns. What is computed from
    weights and constants alone is not met.
    """

    def __init__(self) -> None:
        super().__init__()
        self._notes: Any = WeakTensorKeyDictionary()  # by identity, gone with their tensors

    @abstractmethod
    def meet(self, call: Call, rule: Rule, maps: list[Tensor]) -> Any:
        """Call the function, or something in its place; its result.

        Args:
            call: The function with its arguments.
            rule: What it is to hardware.
            maps: The tensors among the arguments that have notes, in their order.
        """

    def put(self, x: Tensor, note: Note) -> Tensor:
        """The tensor, with a note in place of the one it may have had."""
        self._notes[x] = note
        return x

    def note(self, x: Tensor) -> Note | None:
        """What is known of a tensor; None if it is no map."""
        found: Note | None = self._notes.get(x)
        return found

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch calls in place of each function; off while it runs."""
        call = Call(func, args, kwargs or {})
        maps = [x for x in call.tensors if self.note(x) is not None]
        return self.meet(call, rule_of(func), maps) if maps else call()


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


class Readers:
    """Who reads a map that a convolution or linear layer wrote, or one that is made of such.

    Attributes:
        n_whole: Reads of all of it, by itself or joined with others.
        n_part: Reads of some of its channels.
    """

    def __init__(self, size: int, of: Sequence["Readers"] = ()) -> None:
        self.size, self._of = size, of
        self.n_whole = self.n_part = 0

    def read(self, part: bool = False) -> None:
        """Once more, and so what it is made of."""
        self.n_part += part
        self.n_whole += not part
        for one in self._of:
            one.read(part or self.size < one.size)

    def others(self, part: bool = False) -> bool:
        """Whether there are more than the one that asks, who reads all of this map.

        Args:
            part: Whether it reads some of the channels. Parts are taken to be disjoint.
        """
        here = self.n_whole > 0 if part else self.n_whole > 1 or self.n_part > 0
        return here or any(one.others(part or self.size < one.size) for one in self._of)


class Operators(TorchDispatchMode):
    """Shows the operators of torch that a function calls.

    Args:
        meet: Called with each of them and its rule, in its place; its result is theirs.
    """

    def __init__(self, meet: Callable[[Call, Rule], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._meet = meet

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch calls in place of each operator."""
        call = Call(func.overloadpacket, args, kwargs or {})
        return self._meet(call, rule_of_operator(func))
