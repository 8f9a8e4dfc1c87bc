"""A recipe, as its TOML file has it: settings of a benchmark, and presets to lay over them."""

import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.record.configuration import Claims, FileName, Origin, Settings, file_name
from cgap_bench.record.files import read_toml
from cgap_bench.run.keys import SECTIONS, first_mistake
from cgap_bench.run.search.tuned import Tuned, tuned_of

Table = dict[str, Any]
Read = Callable[[str], Table]  # a TOML file by its name
SAY_PUBLISHED = (
    'are compared under one training; say fairness = "published" if each is to be trained as'
    " its paper has it"
)


class Fairness(StrEnum):
    """By which rule the methods of a preset are trained; the two are never in one table."""

    COMMON = "common"  # one training for all: of a method's own only a learning rate
    PUBLISHED = "published"  # each as its paper has it


class Overlay(Settings):
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
        claims: What it is to show, named before it is run.
        fairness: By which rule methods are trained.
        orders: Values of `stream.order_seed`, each run with every seed; as `parse_seeds` reads
            them, empty: the one of the stream.
        tuned: What a search found; in the file, the name of one that `cgap-cl tune` wrote,
            beside the recipe. Methods in it are run with the recipe's own settings as well.
    """

    description: str = ""
    seeds: str = Field("", examples=["0-2"])
    methods: tuple[str, ...] = Field((), examples=[["cgap", "fixed"]])
    variants: tuple[str, ...] = Field((), examples=[["cgap.target_price=0.3"]])
    network: Table = Field(default_factory=dict)
    stream: Table = Field(default_factory=dict)
    training: Table = Field(default_factory=dict)
    training_of: dict[str, Table] = Field(default_factory=dict)
    method: dict[str, Table] = Field(default_factory=dict)
    claims: Claims = Claims()
    fairness: Fairness = Fairness.COMMON
    orders: str = Field("", examples=["0-4"])
    tuned: Tuned | None = None


class Recipe(Overlay):
    """A benchmark: what is run, in which variants.

    Attributes:
        default_preset: Run when none is asked for; takes no longer than minutes.
        full_preset: What it is short for; empty: it is all there is.
        presets: By name.
    """

    default_preset: str
    full_preset: str = ""
    presets: dict[FileName, Overlay] = Field(min_length=1)

    def preset(self, name: str | None) -> tuple[str, Overlay]:
        """A preset by name (None: the default one), laid over the recipe.

        Raises:
            UnknownNameError: There is none of that name.
            UsageError: Methods are trained differently, but not said to be.
        """
        name = name or self.default_preset
        if name not in self.presets:
            raise UnknownNameError("preset", name, self.presets)

        below = self.model_dump(exclude={"default_preset", "full_preset", "presets"})
        above = self.presets[name].model_dump(exclude_unset=True)
        overlay = Overlay.model_validate(
            laid_over(below, above) | {key: above[key] for key in ("tuned",) if key in above}
        )
        _check_fairness(name, overlay)
        return name, overlay

    def untuned(self) -> "Recipe":
        """The same without what searches found."""
        nothing = {"tuned": None}
        presets = {
            name: one.model_copy(update=nothing) if one.tuned else one
            for name, one in self.presets.items()
        }
        return self.model_copy(update={**nothing, "presets": presets})


def _check_fairness(preset: str, overlay: Overlay) -> None:
    """Raises `UsageError` where a method is trained by a rule of its own in a common table."""
    if overlay.fairness is Fairness.PUBLISHED:
        return
    for method, own in overlay.training_of.items():
        others = sorted(own.keys() - {"lr"})
        if others:
            raise UsageError(
                f"preset {preset}: training_of.{method} sets {', '.join(others)}, but methods"
                f" {SAY_PUBLISHED}"
            )
    for variant in overlay.variants:
        keys = [change.partition("=")[0] for change in variant.split()]
        others = [
            key for key in keys if key.partition(".")[0] in SECTIONS and key != "training.lr"
        ]
        if others:
            raise UsageError(
                f"preset {preset}: variant {variant!r} sets {', '.join(others)} for one method,"
                f" but methods {SAY_PUBLISHED}"
            )


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Table:
    """Tables merge key by key, everything else is replaced.

    A name is short for a table that holds nothing else, so that the settings of what is named
    can be laid over it.

    >>> laid_over({"epochs": 9, "newborn": "split"}, {"newborn": {"noise": 0.2}})
    {'epochs': 9, 'newborn': {'name': 'split', 'noise': 0.2}}
    """
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, str):
            under = {"name": under}
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = laid_over(under, value) if both else value  # type: ignore[arg-type]
    return merged


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
    benchmark, content, beside = _source(name)
    try:
        return benchmark, Recipe.model_validate(_with_tuned(content, beside))
    except ValidationError as error:
        raise UsageError(f"recipe {name}: {first_mistake(error, Recipe, '')}") from error


def origin_of(name: str, recipe: Recipe, preset: str | None) -> Origin:
    """Where a recipe of a user's own was, and what it says of itself; nothing of the project's.

    Args:
        name: As the user gave it.
        recipe: What it holds.
        preset: A preset's name, None for the default one.
    """
    if not name.endswith(".toml"):
        return Origin()
    path = Path(name)
    outside = path.is_absolute() or ".." in path.parts  # may name people and machines
    own = recipe.presets[preset or recipe.default_preset].description
    said = dict.fromkeys(text for text in (recipe.description, own) if text)
    return Origin(file=path.name if outside else path.as_posix(), description="; ".join(said))


def _with_tuned(content: Table, beside: Read) -> Table:
    """Files that are named as `tuned` become what they hold."""
    made = dict(content)
    if isinstance(name := content.get("tuned"), str):
        made["tuned"] = tuned_of(beside(name), Path(name).name, name)
    presets = content.get("presets")
    if isinstance(presets, Mapping):
        made["presets"] = {
            key: _with_tuned(one, beside) if isinstance(one, dict) else one
            for key, one in presets.items()
        }
    return made


def _source(name: str) -> tuple[str, Table, Read]:
    """The benchmark's name, the content of its recipe, and how a file beside it is read."""
    if name.endswith(".toml"):
        try:
            benchmark = file_name(Path(name).stem)
        except ValueError as error:
            raise UsageError(f"recipe {name!r} is no name of a benchmark: {error}") from error
        return (
            benchmark,
            read_toml(Path(name)),
            lambda file: read_toml(Path(name).parent / file),
        )
    if name not in recipe_names() and Path(f"{name}.toml").is_file():
        raise UsageError(f"unknown benchmark {name!r}; of your own recipe write {name}.toml")
    if name not in recipe_names():
        raise UnknownNameError("benchmark", name, recipe_names())
    return name, _packaged(f"{name}.toml"), _packaged


def _packaged(file: str) -> Table:
    """What a file holds that comes with the package."""
    resource = files("cgap_bench").joinpath("recipes", file)
    return tomllib.loads(resource.read_text(encoding="utf-8"))
