"""The house: how large its rooms, classes and functions are; no import runs in a circle."""

import ast
import graphlib
import statistics
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "cgap_cl": ROOT / "cgap_cl",
    "cgap_bench": ROOT / "benchmarks" / "cgap_bench",
    "cgap_hw": ROOT / "hardware" / "cgap_hw",
}
SOURCES = [path for folder in PACKAGES.values() for path in sorted(folder.rglob("*.py"))]
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
LIMITS = {"modules": 15, "attributes": 12, "skips": 15, "p90": 20, "function": 40}


def lines_of(function):
    """Lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def functions(source):
    """``(name, lines)`` of every function in a module's text."""
    nodes = ast.walk(ast.parse(source))
    return [(node.name, lines_of(node)) for node in nodes if isinstance(node, FUNCTION)]


def attributes(node):
    """Names that a class keeps on its instances; the fields of a frozen value do not count."""
    frozen = any("frozen=True" in ast.unparse(mark) for mark in node.decorator_list)
    mutable = (
        any("dataclass" in ast.unparse(mark) for mark in node.decorator_list) and not frozen
    )
    names = {
        target.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
        for target in [inner]
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    if mutable:
        names |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
    return names


def classes(source):
    """``(name, attributes)`` of every class in a module's text."""
    nodes = ast.walk(ast.parse(source))
    return [(node.name, attributes(node)) for node in nodes if isinstance(node, ast.ClassDef)]


def largest_room():
    """``(modules, folder)`` of the folder that holds most modules."""
    folders = {path.parent for path in SOURCES}
    return max((len(list(folder.glob("[!_]*.py"))), folder.name) for folder in folders)


def test_no_room_is_crowded():
    n, folder = largest_room()
    assert n <= LIMITS["modules"], f"{folder} holds {n} modules"


def test_no_class_knows_everything():
    crowded = {
        f"{path.name}:{name}": len(kept)
        for path in SOURCES
        for name, kept in classes(path.read_text())
        if len(kept) > LIMITS["attributes"]
    }
    assert not crowded


def test_functions_are_short():
    measured = [
        (lines, f"{path.name}:{name}")
        for path in SOURCES
        for name, lines in functions(path.read_text())
    ]
    lengths = [lines for lines, _ in measured]
    assert max(measured)[0] <= LIMITS["function"], max(measured)
    assert statistics.quantiles(lengths, n=10)[-1] <= LIMITS["p90"]


def test_the_formatter_is_obeyed():
    everywhere = [*SOURCES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("hardware/rtl/**/*.py")]
    mark = "# fmt: " + "skip"
    skips = sum(path.read_text().count(mark) for path in everywhere)
    assert skips <= LIMITS["skips"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_runs_in_a_circle(package):
    graph = grimp.build_graph(package, cache_dir=None)  # with imports for type checkers only
    imports = {
        module: graph.find_modules_directly_imported_by(module) for module in graph.modules
    }
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_the_measures_see_what_they_measure():
    source = '''
class Full:
    def __init__(self):
        """One.

        Three.
        """
        self.a = self.b = 1

    def change(self):
        self.c, other = 1, 2
        other.d = 3

@dataclass(frozen=True)
class Value:
    e: int

@dataclass
class Mutable:
    f: int
'''
    assert classes(source) == [("Full", {"a", "b", "c"}), ("Value", set()), ("Mutable", {"f"})]
    assert functions(source) == [("__init__", 2), ("change", 3)]
