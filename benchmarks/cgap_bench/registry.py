"""Names that a user may type, and what each of them stands for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from cgap_bench.errors import UnknownNameError, UsageError, place_text

T = TypeVar("T")

OURS = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Where something was registered: in which file and line, imported under which name."""

    file: str
    line: int
    module: str

    def __str__(self) -> str:
        return place_text(Path(self.file), self.line)

    @property
    def is_ours(self) -> bool:
        """Whether it came with the package."""
        return Path(self.file).is_relative_to(OURS)

    def is_same_code(self, other: "Place") -> bool:
        """Whether a script was imported once more under its other name."""
        here, there = (self.file, self.line), (other.file, other.line)
        return here == there and self.module != other.module


class Registry(Generic[T]):
    """A name -> value table that offers the nearest name when one is unknown.

    What is wrong with an entry of a user's own is told when anything is looked up: a script
    adds it before there is a command that could tell it in one line.

    Args:
        kind: What the values are, for error messages.
        package: Package whose modules register themselves when imported; they are imported
            the first time anything is looked up.
        check: Raises `UsageError` where a value that is not the project's cannot be used; what
            it is given first is how messages call it.
    """

    def __init__(
        self,
        kind: str,
        package: str | None = None,
        check: Callable[[str, Any], None] = lambda _what, _value: None,
    ) -> None:
        self.kind = kind
        self._package, self._check = package, check
        self._entries: dict[str, T] = {}
        self._places: dict[str, Place] = {}
        self._mistake = ""  # the first one

    def add(self, name: str, value: T) -> T:
        """Register a value under a name that is still free."""
        place = _caller()
        if name not in self._entries:
            self._entries[name], self._places[name] = value, place
        elif not place.is_same_code(self._places[name]):
            self._mistake = self._mistake or self._twice(name, place)
        return value

    def _twice(self, name: str, second: Place) -> str:
        """Who has taken a name that was not free; of the project's own no line is told."""
        places = (self._places[name], second)
        own = [f"in {place}" for place in places if not place.is_ours]
        others = ["by the package itself"] * (2 - len(own))
        return (
            f"{self.kind} {name!r} is registered twice: {', and '.join([*own, *others])};"
            " choose another name"
        )

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda value: self.add(name, value)

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        value, place = self._entries[name], self._places[name]
        if not place.is_ours:
            self._check(f"{self.kind} {name} ({place})", value)
        return value

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def _load(self) -> None:
        if self._package is not None:
            package, self._package = import_module(self._package), None
            for module in iter_modules(package.__path__, package.__name__ + "."):
                import_module(module.name)
        if self._mistake:
            raise UsageError(self._mistake)


def _caller() -> Place:
    """Where a registry was called from."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    module = str(frame.f_globals.get("__name__", ""))
    return Place(frame.f_code.co_filename, frame.f_lineno, module)


def imported(name: str) -> Any:
    """What `module:function` stands for; a module in the present folder is found too.

    Raises:
        ImportError: There is no such module.
        AttributeError: It has nothing of that name.
    """
    module, _, function = name.partition(":")
    before = sys.dont_write_bytecode
    # a file that is changed twice in a second must not be taken for what it was
    sys.dont_write_bytecode = True
    try:
        with present_folder():
            return getattr(import_module(module), function)
    finally:
        sys.dont_write_bytecode = before


@contextmanager
def present_folder() -> Iterator[None]:
    """Modules in the present folder are found; nothing installed is hidden by one of them."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
