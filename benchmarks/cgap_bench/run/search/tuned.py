"""The file of what searches found: tables of a recipe, with the budget and what it gained."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import FileName, Settings, Tuning
from cgap_bench.record.files import read_toml
from cgap_bench.record.searches import SearchFile
from cgap_bench.run.keys import first_mistake
from cgap_bench.run.search.values import LEARNING_RATE, RATE, Table, leaves, tables


class Searches(Settings):
    """What was searched, with one budget for every method; see `SearchBudget`."""

    benchmark: FileName
    preset: FileName
    trials: int = Field(gt=0)
    seeds: tuple[int, ...] = Field(min_length=1)
    overrides: tuple[str, ...] = ()


class HeldOut(Settings):
    """Mean accuracy on held-out images."""

    recipe: float = Field(ge=0, le=1)  # of the recipe's own settings
    best: float = Field(ge=0, le=1)


class Tuned(Settings):
    """A file that `cgap-cl tune` wrote.

    Attributes:
        file: Its name.
        search: The budget.
        held_out: By method, all that were searched.
        training_of: Method -> its learning rate.
        method: Method -> keys of its own settings.
    """

    file: str = ""
    search: Searches
    held_out: dict[str, HeldOut]
    training_of: dict[str, Table] = Field(default_factory=dict)
    method: dict[str, Table] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _told(self) -> Self:
        others = (self.training_of.keys() | self.method.keys()) - self.held_out.keys()
        if others:
            raise ValueError(
                f"held_out does not say what was found of {', '.join(sorted(others))}"
            )
        return self

    @property
    def tables(self) -> dict[str, dict[str, Table]]:
        """What is laid over a recipe."""
        return {"training_of": self.training_of, "method": self.method}

    def without_rates(self) -> "Tuned":
        """The same, where one learning rate was set for all by hand."""
        return self.model_copy(update={"training_of": {}})

    def told(self, method: str, training: Table, own: Table) -> Tuning:
        """Where the settings of a method are from.

        Args:
            method: Its name.
            training: How it is trained.
            own: Its own settings.

        Returns:
            Nothing where it was not searched, or does not have what was found.
        """
        found = leaves(self.method.get(method, {}))
        rate, has = self.training_of.get(method, {}).get(RATE), leaves(own)
        if method not in self.held_out or rate is None or training.get(RATE) != rate:
            return Tuning()
        if any(has.get(key) != value for key, value in found.items()):
            return Tuning()
        held_out = self.held_out[method]
        return Tuning(
            file=self.file,
            trials=self.search.trials,
            runs=len(self.search.seeds),
            recipe=held_out.recipe,
            best=held_out.best,
            values={LEARNING_RATE: rate} | {f"{method}.{key}": v for key, v in found.items()},
        )


def read_tuned(path: Path) -> Tuned:
    """What a file holds that `tune` wrote.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """
    return tuned_of(read_toml(path), path.name, str(path))


def tuned_of(content: Table, name: str, path: str) -> Tuned:
    """The same of what a file holds.

    Args:
        content: Of the file.
        name: Of the file, as records tell it.
        path: The same for messages.

    Raises:
        UsageError: It is something else.
    """
    others = content.keys() - Tuned.model_fields.keys() | content.keys() & {"file"}
    if others:
        raise UsageError(
            f"{path} holds {', '.join(sorted(others))}; a file of `cgap-cl tune` has tables"
            " search, held_out, training_of and method"
        )
    try:
        return Tuned.model_validate({**content, "file": name})
    except ValidationError as error:
        raise UsageError(f"{path}: {first_mistake(error, Tuned, '')}") from error


def tuned_text(file: SearchFile) -> str:
    """The best values of searches as the text of such a file."""
    budget = file.budget
    lines = [
        f"# made by: {file.command}",
        "",
        "[search]",
        f'benchmark = "{budget.benchmark}"',
        f'preset = "{budget.preset}"',
        f"trials = {budget.trials}",
        f"seeds = {list(budget.seeds)}",
        f"overrides = {_texts(budget.overrides)}",
    ]
    for method, search in file.searches.items():
        lines += ["", f"[held_out.{_key(method)}]"]
        lines += [f"recipe = {search.recipe.mean!r}", f"best = {search.best.mean!r}"]
        for section, by_method in tables(method, search.best.values).items():
            lines.append(f"[{section}.{_key(method)}]")
            found = leaves(by_method[method])
            lines += [f"{key} = {value!r}" for key, value in found.items()]
    return "\n".join(lines) + "\n"


def _texts(values: tuple[str, ...]) -> str:
    """As TOML; overrides are one line of text each."""
    return "[" + ", ".join(_quoted(value) for value in values) + "]"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(method: str) -> str:
    """A method's name as a key: a ``+`` has to be quoted."""
    return method if method.replace("-", "").replace("_", "").isalnum() else _quoted(method)
