"""Names that a user may type, and what each of them stands for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from cgap_bench.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """A name -> value table that offers the nearest name when one is unknown.

    Args:
        kind: What the values are, for error messages.
        package: Package whose modules register themselves when imported; they are imported
            the first time anything is looked up.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}

    def add(self, name: str, value: T) -> T:
        """Register a value under a name that is still free."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = value
        return value

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda value: self.add(name, value)

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def _load(self) -> None:
        if self._package is None:
            return
        package, self._package = import_module(self._package), None
        for module in iter_modules(package.__path__, package.__name__ + "."):
            import_module(module.name)


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
