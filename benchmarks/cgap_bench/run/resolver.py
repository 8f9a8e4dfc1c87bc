"""From a recipe, a preset and `--set` to the configuration of each run."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig, Settings, Tuning
from cgap_bench.record.files import parse_toml
from cgap_bench.record.plain import check_plain
from cgap_bench.record.retired import refuse, refuse_all
from cgap_bench.record.variants import methods_of, name_of
from cgap_bench.run.keys import SECTIONS, first_mistake, keys, refuse_derived
from cgap_bench.run.recipe import Overlay, Recipe, Table, laid_over
from cgap_bench.run.search.space import check_tuned
from cgap_bench.run.search.tuned import Tuned
from cgap_bench.run.search.values import RATE


class Resolver:
    """Makes the configuration of a run from a method and a seed."""

    def __init__(
        self, fixed: Mapping[str, str], overlay: Overlay, tuned: Tuned | None = None
    ) -> None:
        self._fixed, self.overlay, self.tuned = fixed, overlay, tuned
        self._parts: dict[str, Mapping[str, object]] = {}

    def named(self, variant: str) -> "Resolver":
        """The same, for runs that tables name after a variant."""
        return Resolver({**self._fixed, "variant": variant}, self.overlay, self.tuned)

    def laid_over(self, changes: Mapping[str, Any]) -> "Resolver":
        """The same with tables of a recipe laid over it, which are checked when used."""
        overlay = Overlay.model_validate(laid_over(self.overlay.model_dump(), changes))
        return Resolver(self._fixed, overlay, self.tuned)

    def is_tuned(self, method: str) -> bool:
        """Whether a search found settings of a method."""
        return self.tuned is not None and method in self.tuned.held_out

    def config(self, method: str, seed: int) -> RunConfig:
        """The resolved configuration.

        Raises:
            UsageError: The method is unknown or a value is out of range.
        """
        if method not in self._parts:
            self._parts[method] = self._part(method)
        parts = self._parts[method]
        return RunConfig.model_validate({**self._fixed, **parts, "seed": seed})

    def _part(self, method: str) -> Mapping[str, object]:
        """What all runs of a method have in common."""
        overlay = self.overlay
        training = overlay.training | overlay.training_of.get(method, {})
        tables = {"network": overlay.network, "stream": overlay.stream, "training": training}

        for owner, table in tables.items():
            refuse_derived(owner, table)
        settings = overlay.method.get(method, {})
        refuse_all(method, settings)
        own = _validate(METHODS[method].settings, settings, method)
        sections = {key: _validate(SECTIONS[key], tables[key], key) for key in SECTIONS}
        told = self.tuned.told(method, training, settings) if self.tuned else Tuning()
        return {
            **sections,
            "tuning": told,
            "method": method,
            "method_settings": own.model_dump(mode="json"),
            "claims": overlay.claims,
        }


def resolve(
    benchmark: str,
    recipe: Recipe,
    preset: str | None,
    overrides: Iterable[str] = (),
    device: str = "cpu",
    tuned: Tuned | None = None,
) -> Resolver:
    """Fix everything but method and seed.

    Args:
        benchmark: Name of the recipe.
        recipe: The recipe.
        preset: A preset's name, None for the default one.
        overrides: ``key=value`` each, with the keys of `known_keys`.
        device: Torch's device.
        tuned: What is laid over it before the overrides; None: what it names, if anything.

    Raises:
        UsageError: A preset, key or value is not right.
    """
    name, overlay = recipe.preset(preset)
    parsed = [_parsed(override) for override in overrides]
    changes, tuned = overlay.model_dump(exclude={"tuned"}), tuned or overlay.tuned
    if tuned is not None:
        check_tuned(tuned, benchmark)
        by_hand = any(RATE in change.get("training", {}) for change in parsed)
        tuned = tuned.without_rates() if by_hand else tuned
        changes = laid_over(changes, tuned.tables)
    for change in parsed:
        changes = laid_over(changes, change)
        for own in changes["training_of"].values():  # what is set by hand is set for all
            for key in change.get("training", {}):
                own.pop(key, None)
    fixed = {"benchmark": benchmark, "preset": name, "device": device}
    try:
        return Resolver(fixed, Overlay.model_validate(changes), tuned)
    except ValidationError as error:
        raise UsageError(first_mistake(error, Overlay, "")) from error


def variants(
    benchmark: str,
    recipe: Recipe,
    preset: str | None,
    overrides: Iterable[str] = (),
    device: str = "cpu",
    tuned: Tuned | None = None,
) -> list[tuple[str, Resolver]]:
    """Method and resolver of each variant of a preset.

    Raises:
        UsageError: A variant is not right, or does not name one method.
    """
    _, overlay = recipe.preset(preset)
    resolvers = []
    for variant in overlay.variants:
        changes = variant.split()
        owners = methods_of(variant)
        if len(owners) != 1:
            raise UsageError(
                f"variant {variant!r} must set keys of one method, like cgap.score"
            )

        (method,) = owners
        resolver = resolve(benchmark, recipe, preset, [*overrides, *changes], device, tuned)
        resolvers.append((method, resolver.named(name_of(variant, method))))
    return resolvers


def known_keys() -> dict[str, FieldInfo]:
    """Every key that `--set` takes, for instance ``training.lr`` or ``cgap.growth.beta``."""
    owners = SECTIONS | {name: METHODS[name].settings for name in METHODS.names()}
    fields: dict[str, FieldInfo] = {}
    for owner, model in owners.items():
        fields |= keys(model, f"{owner}.")
    return fields


def _parsed(override: str) -> Table:
    """``"training.lr=0.1"`` -> a table of the same structure as a recipe."""
    try:
        check_plain(override)
    except ValueError as error:
        raise UsageError(f"--set {override[:80]!r}: {error}") from error
    key, equals, text = override.partition("=")
    key, fields = key.strip(), known_keys()
    if not equals:
        raise UsageError(f"--set {override!r} has no value; write for instance training.lr=0.1")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text.strip()
    refuse(key, value)
    section, _, name = key.partition(".")
    refuse_derived(section, [name])
    if key not in fields:
        raise UnknownNameError("key", key, fields)

    # elsewhere "none" is a word like any other
    if value in ("none", "None") and type(None) in get_args(fields[key].annotation):
        value = None
    owner, *path = key.split(".")
    for part in reversed(path):
        value = {part: value}
    table = {owner: value}
    return table if owner in SECTIONS else {"method": table}


def _validate(model: type[Settings], values: Table, owner: str) -> Settings:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(first_mistake(error, model, f"{owner}.")) from error
