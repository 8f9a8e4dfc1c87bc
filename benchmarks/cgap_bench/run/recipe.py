"""From a recipe (TOML), a preset and `--set` to the configuration of each run."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
    Settings,
    StreamSettings,
    TrainingSettings,
)

SECTIONS: dict[str, type[Settings]] = {
    "network": NetworkSettings,
    "stream": StreamSettings,
    "training": TrainingSettings,
}
Table = dict[str, Any]


class Layer(Settings):
    """Settings of a recipe, or of a preset that is laid over it.

    Attributes:
        description: One line for people.
        seeds: Seeds that are run when none are asked for, as `parse_seeds` reads them.
        methods: Methods that are run when none are asked for.
        variants: Overrides, as `--set` takes them, separated by blanks: further runs of the
            method that they name, one setting varied around the plain run.
        network: Keys of `NetworkSettings`.
        stream: Keys of `StreamSettings`.
        training: Keys of `TrainingSettings`.
        training_of: Method -> keys of `TrainingSettings` where it must differ.
        method: Method -> keys of its own settings.
    """

    description: str = ""
    seeds: str = ""
    methods: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    network: Table = Field(default_factory=dict)
    stream: Table = Field(default_factory=dict)
    training: Table = Field(default_factory=dict)
    training_of: dict[str, Table] = Field(default_factory=dict)
    method: dict[str, Table] = Field(default_factory=dict)


class Recipe(Layer):
    """A benchmark: what is run, in which variants."""

    default_preset: str
    presets: dict[str, Layer] = Field(min_length=1)

    def preset(self, name: str | None) -> tuple[str, Layer]:
        """A preset by name (None: the default one), laid over the recipe.

        Raises:
            UnknownNameError: There is none of that name.
        """
        name = name or self.default_preset
        if name not in self.presets:
            raise UnknownNameError("preset", name, self.presets)
        below = self.model_dump(exclude={"default_preset", "presets"})
        above = self.presets[name].model_dump(exclude_unset=True)
        return name, Layer.model_validate(_merge(below, above))


def recipe_names() -> list[str]:
    """Benchmarks that come with the package."""
    folder = files("cgap_bench").joinpath("recipes")
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_recipe(name: str) -> tuple[str, Recipe]:
    """A recipe by the benchmark's name, or from a user's own TOML file.

    Args:
        name: A name from `recipe_names`, or a path that ends in ``.toml``.

    Returns:
        The benchmark's name and its recipe.

    Raises:
        UsageError: It is unknown, unreadable or not a valid recipe.
    """
    try:
        if name.endswith(".toml"):
            text, benchmark = Path(name).read_text(encoding="utf-8"), Path(name).stem
        elif name in recipe_names():
            resource = files("cgap_bench").joinpath("recipes", f"{name}.toml")
            text, benchmark = resource.read_text(encoding="utf-8"), name
        else:
            raise UnknownNameError("benchmark", name, recipe_names())
        return benchmark, Recipe.model_validate(tomllib.loads(text))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the recipe {name}: {error}") from error
    except ValidationError as error:
        raise UsageError(f"recipe {name}: {_first(error, Recipe, '')}") from error


def resolve(
    benchmark: str,
    recipe: Recipe,
    preset: str | None,
    overrides: Iterable[str] = (),
    device: str = "cpu",
) -> "Resolver":
    """Fix everything but method and seed.

    Args:
        benchmark: Name of the recipe.
        recipe: The recipe.
        preset: A preset's name, None for the default one.
        overrides: ``key=value`` each, with the keys of `known_keys`.
        device: Torch's device.

    Raises:
        UsageError: A preset, key or value is not right.
    """
    name, layer = recipe.preset(preset)
    changes = layer.model_dump()
    for override in overrides:
        changes = _merge(changes, _parse_override(override))
    fixed = {"benchmark": benchmark, "preset": name, "device": device}
    return Resolver(fixed, Layer.model_validate(changes))


def variants(
    benchmark: str,
    recipe: Recipe,
    preset: str | None,
    overrides: Iterable[str] = (),
    device: str = "cpu",
) -> list[tuple[str, "Resolver"]]:
    """Method and resolver of each variant of a preset.

    Raises:
        UsageError: A variant is not right, or does not name one method.
    """
    _, layer = recipe.preset(preset)
    found = []
    for variant in layer.variants:
        changes = variant.split()
        owners = {change.partition(".")[0] for change in changes} - SECTIONS.keys()
        if len(owners) != 1:
            raise UsageError(
                f"variant {variant!r} must set keys of one method, like cgap.score"
            )
        (method,) = owners
        made = resolve(benchmark, recipe, preset, [*overrides, *changes], device)
        found.append((method, made.named(variant.replace(f"{method}.", ""))))
    return found


class Resolver:
    """Makes the configuration of a run from a method and a seed."""

    def __init__(self, fixed: Mapping[str, str], layer: Layer) -> None:
        self._fixed, self.layer = fixed, layer

    def named(self, variant: str) -> "Resolver":
        """The same, for runs that tables name after a variant."""
        return Resolver({**self._fixed, "variant": variant}, self.layer)

    def config(self, method: str, seed: int) -> RunConfig:
        """The resolved configuration.

        Raises:
            UsageError: The method is unknown or a value is out of range.
        """
        layer = self.layer
        training = layer.training | layer.training_of.get(method, {})
        tables = {"network": layer.network, "stream": layer.stream, "training": training}
        own = _validate(METHODS[method].settings, layer.method.get(method, {}), method)
        values = {key: _validate(SECTIONS[key], tables[key], key) for key in SECTIONS}
        own_values = own.model_dump(mode="json")
        return RunConfig.model_validate(
            {
                **self._fixed,
                **values,
                "method": method,
                "seed": seed,
                "method_settings": own_values,
            }
        )


def known_keys() -> list[str]:
    """Every key that `--set` takes, for instance ``training.lr`` or ``ewc.strength``."""
    owners = SECTIONS | {name: METHODS[name].settings for name in METHODS.names()}
    return [
        f"{owner}.{field}" for owner, model in owners.items() for field in model.model_fields
    ]


def parse_seeds(text: str) -> list[int]:
    """Seeds from ``"0"``, ``"0,3,7"``, ``"0-4"`` or a mix of these.

    Raises:
        UsageError: The text is none of these.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds {text!r} are not like 0, 0,3,7 or 0-4")
        upper = int(last) if dash else int(first)
        if upper < int(first):
            raise UsageError(f"seeds {text!r} count down; write {upper}-{first}")
        seeds.extend(range(int(first), upper + 1))
    return list(dict.fromkeys(seeds))


def _parse_override(override: str) -> Table:
    """``"training.lr=0.1"`` -> a table of the same structure as a recipe."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals:
        raise UsageError(f"--set {override!r} has no value; write for instance training.lr=0.1")
    if key not in known_keys():
        raise UnknownNameError("key", key, known_keys())
    owner, field = key.split(".", 1)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    if value in ("none", "None") and _takes_none(owner, field):
        value = None
    table = {owner: {field: value}}
    return table if owner in SECTIONS else {"method": table}


def _takes_none(owner: str, field: str) -> bool:
    """Whether a field may be left empty; elsewhere "none" is a word like any other."""
    model = SECTIONS.get(owner) or METHODS[owner].settings
    return type(None) in get_args(model.model_fields[field].annotation)


def _merge(below: Table, above: Table) -> Table:
    """Tables merge key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _validate(model: type[Settings], values: Table, owner: str) -> Settings:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(_first(error, model, f"{owner}.")) from error


def _first(error: ValidationError, model: type[Settings], prefix: str) -> str:
    """The first thing that is wrong, in one line."""
    detail = error.errors()[0]
    key = prefix + ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = [prefix + field for field in model.model_fields]
        return str(UnknownNameError("key", key, known))
    if detail["type"] == "missing":
        return f"key {key} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:  # no single value, but how several go together
        return f"{prefix.rstrip('.') or 'recipe'}: {message}"
    return f"{key}={detail['input']!r} is not right: {message}"
