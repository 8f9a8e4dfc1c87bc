"""Which files is a user's own code made of?"""

import ast
import functools
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cgap_bench.registry import present_folder

OURS = frozenset({"cgap_bench", "cgap_cl", "cgap_hw"})
_INSTALLED = tuple(
    Path(folder).resolve()
    for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (folder := sysconfig.get_paths().get(key))
)


def module_of(thing: Any) -> str | None:
    """Name of the module that a function or class is from; None where it is ours."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    name = str(getattr(inspect.unwrap(thing), "__module__", "") or "")
    return None if not name or name.partition(".")[0] in OURS else name


def source_files(module: str) -> list[Path]:
    """The file of a module, and those that it imports from the same place, itself first.

    What is installed counts with its own file alone: its version is that of a library.

    Args:
        module: Its name; one in the present folder is found too.

    Returns:
        Nothing where the module has no file.
    """
    first = _file(module)
    if first is None:
        return []
    if is_installed(first):
        return [first]

    n_above = module.count(".") + (first.name == "__init__.py")
    root = first.parents[min(n_above, len(first.parents) - 1)]
    files, pending = {first: None}, [first]
    while pending:
        for path in _imported(pending.pop(), root):
            if path not in files:
                files[path] = None
                pending.append(path)
    return [first, *sorted(files.keys() - {first})]


def is_installed(path: Path) -> bool:
    """Whether a file belongs to Python or to a package that is installed."""
    return any(path.is_relative_to(folder) for folder in _INSTALLED)


def _file(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None and module not in sys.modules:
        with present_folder():
            try:
                spec = find_spec(module)
            except Exception:  # the package above it is not right: who imports it will say
                return None
        file = spec.origin if spec is not None and spec.has_location else None
    return Path(file).resolve() if file is not None and Path(file).is_file() else None


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Files below the root that a file imports, by what is written in it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    inside = path.parent.relative_to(root).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) + 1 - node.level] if node.level else ()
            base = (*above, *(node.module.split(".") if node.module else ()))
            names = [base, *((*base, alias.name) for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _modules(root, name)


def _modules(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """Files of a dotted name and of the packages above it, as far as they are there."""
    if not name or name[0] in OURS:
        return
    for n in range(1, len(name) + 1):
        place = root.joinpath(*name[:n])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path.resolve()
