"""Searches for settings: what is searched, what was tried, and what a run has of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cgap_bench.errors import UsageError
from cgap_bench.record.files import read_json, write_file

Values = Mapping[str, float]  # dotted key -> value


class Spacing(StrEnum):
    """How values of a range are spread."""

    LOGARITHMIC = "logarithmic"
    LINEAR = "linear"


@dataclass(frozen=True)
class Searched:
    """Metadata of a setting that `cgap-cl tune` searches: a range of numbers.

    Raises:
        ValueError: It is empty, or holds zero where it is logarithmic.

    Example:
        ``strength: Annotated[float, Searched(1.0, 1e6)] = Field(1e3, gt=0)``
    """

    low: float
    high: float
    spacing: Spacing = Spacing.LOGARITHMIC

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self.low:g} to {self.high:g} is no range")
        if self.spacing is Spacing.LOGARITHMIC and self.low <= 0:
            raise ValueError(f"a logarithmic range does not begin at {self.low:g}")

    def around(self, value: float) -> "Searched":
        """The same, wide enough for a value; as it is where that cannot be."""
        if self.spacing is Spacing.LOGARITHMIC and value <= 0:
            return self
        return Searched(min(self.low, value), max(self.high, value), self.spacing)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        values: Dotted key -> value.
        accuracy: Of each seed, on held-out images after the last experience, in [0, 1]; 0 of a
            run that diverged.
        run_ids: Of its records.
    """

    values: dict[str, float]
    accuracy: tuple[float, ...]
    run_ids: tuple[str, ...]

    @property
    def mean(self) -> float:
        """What a search maximises."""
        return fmean(self.accuracy)


@dataclass(frozen=True)
class Search:
    """What a search for one method has tried.

    Attributes:
        method: Its name.
        space: Dotted key -> range.
        start: Where the recipe is: the first trial; without settings that have no value there.
        results: Of the trials in order, at least one.
    """

    method: str
    space: dict[str, Searched]
    start: dict[str, float]
    results: tuple[TrialResult, ...]

    @property
    def recipe(self) -> TrialResult:
        """That with the recipe's settings."""
        return self.results[0]

    @property
    def best(self) -> TrialResult:
        """The first of the trials with the highest mean accuracy."""
        return max(self.results, key=lambda one: one.mean)


@dataclass(frozen=True)
class SearchBudget:
    """What every method of a file has been given.

    Attributes:
        benchmark: Name of the recipe.
        preset: Of the recipe.
        overrides: As `--set` takes them.
        trials: For each method, the recipe's own settings first.
        seeds: Runs of a trial.
    """

    benchmark: str
    preset: str
    overrides: tuple[str, ...]
    trials: int
    seeds: tuple[int, ...]

    @property
    def words(self) -> str:
        """``"16 trials of 2 runs (seeds 100,101)"``."""
        seeds = ",".join(map(str, self.seeds))
        trials = f"{self.trials} trial{'s' if self.trials > 1 else ''}"
        runs = f"{len(self.seeds)} run{'s' if len(self.seeds) > 1 else ''}"
        return " ".join([f"{trials} of {runs} (seeds {seeds})", *self.overrides])


@dataclass(frozen=True)
class SearchFile:
    """All trials of searches with one budget, as a JSON file holds them.

    Attributes:
        command: That makes them all.
        budget: The same for every method.
        sampler: What chose the values.
        environment: Where the latest of them were made.
        searches: By method.
    """

    command: str
    budget: SearchBudget
    sampler: str
    environment: dict[str, Any]
    searches: dict[str, Search]


def read_searches(path: Path) -> SearchFile:
    """The trials of a file that `cgap-cl tune` wrote.

    Raises:
        UsageError: It is none.
    """
    try:
        return TypeAdapter(SearchFile).validate_python(read_json(path))
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise UsageError(
            f"{path} holds no searches of `cgap-cl tune`: {where}: {detail['msg']}"
        ) from error


def write_searches(path: Path, file: SearchFile, within: Path) -> Path:
    """Write all trials.

    Args:
        path: Of the file.
        file: What it is to hold.
        within: Folder that it must lie in.

    Raises:
        UsageError: It cannot be written.
    """
    return write_file(path, json.dumps(asdict(file), indent=1) + "\n", within)
