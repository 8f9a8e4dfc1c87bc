"""Names in a request that nobody knows, told at once: torch alone takes seconds to import.

What passes here is checked again where it is used; this only answers sooner.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.images.memory import parse_bytes
from cgap_bench.record.configuration import REFERENCE_METHOD, Precision
from cgap_bench.run.keys import SECTIONS, keys, refuse_derived
from cgap_bench.run.logs.kinds import log_kinds
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.seeds import parse_seeds

DEVICES = ("cpu", "cuda")
EXECUTORS = LOCAL, RAY = ("local", "ray")
AUTO = "auto"  # what a probe says
VARIANTS = WITH, WITHOUT, ALONE = ("all", "none", "only")  # of a preset
PRECISIONS = (*(precision.value for precision in Precision), AUTO)
_REGISTRIES = ("METHODS", "NETWORKS")
_LOADED = {
    "methods": ("cgap_bench.learn.method", "METHODS"),
    "networks": ("cgap_bench.learn.network", "NETWORKS"),
}
_CONSTANTS = {"REFERENCE_METHOD": REFERENCE_METHOD}


@dataclass(frozen=True)
class Words:
    """What can be checked at once of what a user typed behind `cgap-cl run`."""

    benchmark: str
    preset: str | None = None
    network: str | None = None
    methods: str | None = None
    seeds: str | None = None
    orders: str | None = None
    variants: str = WITH
    overrides: tuple[str, ...] = ()
    device: str = "cpu"
    precision: str | None = None
    log: str | None = None
    executor: str = LOCAL
    memory_budget: str | None = None

    def check(self) -> None:
        """Raise where one of them stands for nothing.

        Raises:
            UsageError: It is unknown, or cannot be read.
        """
        _check_name("device", self.device, DEVICES)
        _check_name("executor", self.executor, EXECUTORS)
        _check_name("variants", self.variants, VARIANTS)
        _check_name("precision", self.precision, PRECISIONS)
        log_kinds(self.log)
        if self.memory_budget is not None:
            parse_bytes(self.memory_budget)
        _, recipe = load_recipe(self.benchmark)
        recipe.preset(self.preset)
        for text in (self.seeds, self.orders):
            if text:
                parse_seeds(text)

        methods = registered("methods")
        for name in filter(None, map(str.strip, (self.methods or "").split(","))):
            _check_name("method", name, methods)
        networks = registered("networks")
        if self.network and ":" not in self.network and self.network not in networks:
            raise UnknownNameError("network", self.network, networks)
        for override in self.overrides:
            _check_key(override, methods)


def _check_name(kind: str, name: str | None, known: Sequence[str]) -> None:
    """Raises `UnknownNameError` where something is asked for that there is not."""
    if name is not None and name not in known:
        raise UnknownNameError(kind, name, known)


def registered(room: str) -> list[str]:
    """Names that the modules of a room of `learn` register, read off their source, sorted.

    Args:
        room: `methods` or `networks`.
    """
    folder = files("cgap_bench").joinpath("learn", room)
    modules = [path for path in folder.iterdir() if path.name.endswith(".py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in modules]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    written = {name for call in calls if _registers(call) for name in _first(call)}
    return sorted(written | _added(room))


def _added(room: str) -> set[str]:
    """Names in the registry itself, if a program of a user's own has loaded it to add some."""
    module, registry = _LOADED[room]
    return (
        set(getattr(sys.modules[module], registry).names()) if module in sys.modules else set()
    )


def _registers(call: ast.Call) -> bool:
    """Whether it is `METHODS.add(...)`, `@NETWORKS.register(...)` or a module's own `_add`."""
    called = call.func
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.value.id in _REGISTRIES and called.attr in ("add", "register")
    return isinstance(called, ast.Name) and called.id == "_add"


def _first(call: ast.Call) -> Iterator[str]:
    """The first argument, where it is written out or a known constant."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value
    if isinstance(first, ast.Name) and first.id in _CONSTANTS:
        yield _CONSTANTS[first.id]


def _check_key(override: str, methods: list[str]) -> None:
    """The keys of a method's own settings are not looked up: they are known to torch's side."""
    key, equals, _ = (part.strip() for part in override.partition("="))
    if not equals:
        raise UsageError(f"--set {override!r} has no value; write for instance training.lr=0.1")
    owner, dot, _ = key.partition(".")
    sections = {name: list(keys(model, f"{name}.")) for name, model in SECTIONS.items()}
    if dot and owner in methods:
        return
    refuse_derived(owner, [key.partition(".")[2]])
    fields = [field for section in sections.values() for field in section]
    inner = key.removeprefix("method.")  # the table in which a recipe has a method's settings
    if inner != key and inner.partition(".")[0] in methods:
        raise UnknownNameError("key", key, [inner])
    if key not in fields:
        raise UnknownNameError("key", key, sections.get(owner) or [*fields, *methods])
