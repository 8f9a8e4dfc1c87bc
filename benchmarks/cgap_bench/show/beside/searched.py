"""Where settings are from: of each row of a table, and all searches that are kept."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from cgap_bench.record.configuration import Tuning
from cgap_bench.record.record import Record
from cgap_bench.record.searches import Search, SearchFile, Values, read_searches
from cgap_bench.show.paired.differences import paired
from cgap_bench.show.stats import estimate
from cgap_bench.show.tables import Table, format_estimate

OF_RECIPE = " (recipe)"  # ends the name of a row beside one whose settings were searched
BY_HAND = "recipe or --set"


def training_words(records: Sequence[Record]) -> str:
    """Whether methods are compared under one training, and where their settings are from."""
    searched = any(record.config.tuning.file for record in records)
    words = f"settings {'searched on held-out images' if searched else f'from {BY_HAND}'}, "
    if len({record.config.method for record in records}) == 1:
        return words
    rates = {record.config.training.lr for record in records}
    others = {record.config.training.model_copy(update={"lr": 1.0}) for record in records}
    if len(others) > 1:
        return f"each trained its own way, {words}"
    rate = " but the learning rate" if len(rates) > 1 else ""
    return f"one training for all{rate}, {words}"


def settings_table(
    records: Sequence[Record], labels: Mapping[str, str], runs: pd.DataFrame
) -> Table | None:
    """Where the settings of each row are from, and what a search has gained.

    Args:
        records: Of one comparison.
        labels: run_id -> the row that it belongs to.
        runs: One row a run (`derive.runs_frame`).

    Returns:
        The table, None where nothing was searched.
    """
    tuned = {labels[record.run_id]: record.config.tuning for record in records}
    if not any(one.file for one in tuned.values()):
        return None
    header = (
        "method",
        "settings from",
        "trials",
        "runs a trial",
        "held-out, recipe [%]",
        "held-out, best [%]",
        "pairs",
        "accuracy with the recipe's [%]",
        "gained by the search [points]",
        "values",
    )
    names = sorted(name for name in tuned if not name.endswith(OF_RECIPE))
    return Table(header, tuple(_row(name, tuned[name], runs) for name in names))


def _row(name: str, tuning: Tuning, runs: pd.DataFrame) -> tuple[str, ...]:
    if not tuning.file:
        return (name, BY_HAND, *("-",) * 8)
    accuracies = (tuning.recipe, tuning.best)
    held_out = (f"{100 * one:.2f}" if one is not None else "-" for one in accuracies)
    budget = (str(tuning.trials), str(tuning.runs))
    return (
        name,
        tuning.file,
        *budget,
        *held_out,
        *_gain(name, runs),
        value_words(tuning.values),
    )


def _gain(name: str, runs: pd.DataFrame) -> tuple[str, str, str]:
    """Pairs of runs, accuracy with the recipe's settings, and the paired difference to it."""
    beside = f"{name}{OF_RECIPE}"
    values = [100 * float(value) for value in runs["accuracy"][runs["method"] == beside]]
    if not values:  # the recipe's were the best, or were not run
        return "-", "-", "-"
    plain = estimate(values)
    recipe = format_estimate(plain.mean, plain.half_width, 2)
    pair = paired(runs, "accuracy", name).get(beside)
    if pair is None:
        return "-", recipe, "-"
    d = pair.difference
    gained = f"{100 * d.mean:+.2f} ± {100 * d.half_width:.2f}"
    return str(d.n), recipe, gained


def kept_searches(out: Path) -> list[SearchFile]:
    """All searches of a results folder, by the name of their file.

    Raises:
        UsageError: A file holds none.
    """
    return [read_searches(path) for path in sorted(out.glob("tuning/[!.]*.json"))]


def table_of_searches(files: Iterable[SearchFile]) -> Table | None:
    """A row for every method that was searched; None where there are none."""
    header = (
        "benchmark, preset",
        "method",
        "trials",
        "runs a trial",
        "recipe [%]",
        "best [%]",
        "values of the best",
    )
    rows = [_searched(file, search) for file in files for search in file.searches.values()]
    return Table(header, tuple(rows)) if rows else None


def _searched(file: SearchFile, search: Search) -> tuple[str, ...]:
    budget = file.budget
    where = " ".join([f"{budget.benchmark}, {budget.preset}", *budget.overrides])
    accuracies = (f"{100 * one.mean:.2f}" for one in (search.recipe, search.best))
    n_runs = str(len(budget.seeds))
    trials = str(len(search.results))
    values = value_words(search.best.values)
    return (where, search.method, trials, n_runs, *accuracies, values)


def value_words(values: Values) -> str:
    """``"training.lr=0.05, ewc.strength=1e+09"``."""
    return ", ".join(f"{key}={value:g}" for key, value in values.items())
