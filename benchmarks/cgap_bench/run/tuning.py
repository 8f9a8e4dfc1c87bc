"""Search for settings of a method on held-out images, with the same budget for every method.

Trials are runs like any other, with records of their own: a search that was stopped goes on
where it was, since the same sampler asks for the same trials again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig, Searched
from cgap_bench.record.record import Record
from cgap_bench.run.jobs import Job, job_of
from cgap_bench.run.keys import keys
from cgap_bench.run.recipe import Table

if TYPE_CHECKING:
    from optuna import Study, Trial

LEARNING_RATE = "training.lr"
LR_FACTOR = 10.0  # learning rates from a tenth to ten times the recipe's
Values = dict[str, float]
Resolve = Callable[
    [Table], Callable[[str, int], RunConfig]
]  # tables laid over -> configuration
Run = Callable[[Sequence[Job]], Iterator[tuple[Job, Record]]]


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        values: Dotted key -> value.
        accuracy: Of each seed, on held-out images after the last experience, in [0, 1].
        run_ids: Of its records.
    """

    values: Values
    accuracy: tuple[float, ...]
    run_ids: tuple[str, ...]

    @property
    def mean(self) -> float:
        """What the search maximises."""
        return fmean(self.accuracy)


@dataclass(frozen=True)
class Search:
    """What is searched for one method.

    Attributes:
        method: Its name.
        space: Dotted key -> range.
        start: Where the recipe is: the first trial.
        seeds: Runs of a trial.
        n_trials: How many, the first included.
    """

    method: str
    space: dict[str, Searched]
    start: Values
    seeds: tuple[int, ...]
    n_trials: int
    results: list[TrialResult] = field(default_factory=list)

    @property
    def best(self) -> TrialResult:
        """The first of the trials with the highest mean accuracy."""
        return max(self.results, key=lambda one: one.mean)


def search_of(config: RunConfig, seeds: Sequence[int], n_trials: int) -> Search:
    """What there is to search for a method: the learning rate, and what it says itself.

    Args:
        config: Its configuration in the recipe.
        seeds: Runs of a trial.
        n_trials: Trials.
    """
    lr = config.training.lr
    space = {LEARNING_RATE: Searched(lr / LR_FACTOR, lr * LR_FACTOR)}
    start = {LEARNING_RATE: lr}
    for key, one in searched_settings(config.method).items():
        value = _value(config.method_settings, key) or one.low
        start[f"{config.method}.{key}"] = value
        around = Searched(min(one.low, value), max(one.high, value))
        space[f"{config.method}.{key}"] = around
    return Search(config.method, space, start, tuple(seeds), n_trials)


def searched_settings(method: str) -> dict[str, Searched]:
    """What a method says of itself is to be searched: dotted key -> range.

    Raises:
        UnknownNameError: There is no such method.
    """
    fields = keys(METHODS[method].settings)
    ranges = {
        key: [m for m in f.metadata if isinstance(m, Searched)] for key, f in fields.items()
    }
    return {key: one for key, found in ranges.items() for one in found}


def check_searched(changes: Table) -> None:
    """Refuse tables that set more than a search does.

    A search has the same budget for every method, under the training of the recipe: what else a
    file sets of one method would go round that.

    Args:
        changes: Of the form that `tables` makes.

    Raises:
        UsageError: They set something that is not searched.
    """
    for section, by_method in changes.items():
        for method, table in by_method.items():
            names = searched_settings(method)  # of an unknown method: fails
            rate = LEARNING_RATE.partition(".")[2]
            allowed = {rate} if section == "training_of" else names.keys()
            others = sorted(set(_leaves(table)) - allowed)
            if others:
                raise UsageError(
                    f"{section}.{method} sets {', '.join(others)}, but `cgap-cl tune` searches"
                    f" {', '.join([LEARNING_RATE, *(f'{method}.{name}' for name in names)])};"
                    " whatever else differs belongs in a recipe"
                )


def tables(method: str, values: Values) -> Table:
    """Values as the tables of a recipe, learning rates apart for each method."""
    changes: Table = {"training_of": {method: {}}, "method": {method: {}}}
    for key, value in values.items():
        owner, *path = key.split(".")
        table = changes["training_of" if owner == "training" else "method"][method]
        *parents, last = path
        for part in parents:
            table = table.setdefault(part, {})
        table[last] = value
    return {name: table for name, table in changes.items() if table[method]}


def run_search(search: Search, resolve: Resolve, run: Run) -> Iterator[TrialResult]:
    """Make the trials one after the other; each is added to the search and handed out.

    Args:
        search: What to search.
        resolve: Tables laid over the recipe -> method and seed -> configuration.
        run: Does jobs, or reads their records.

    Raises:
        UsageError: Optuna is not installed.
    """
    study = _study()
    study.enqueue_trial(search.start)
    for _ in range(search.n_trials):
        trial = study.ask()
        values = {key: _suggested(trial, key, one) for key, one in search.space.items()}
        result = _run_trial(search, values, resolve, run)
        study.tell(trial, result.mean)
        search.results.append(result)
        yield result


def _run_trial(search: Search, values: Values, resolve: Resolve, run: Run) -> TrialResult:
    from cgap_bench.show.metrics import mean_accuracy

    config = resolve(tables(search.method, values))
    wanted = [job_of(config(search.method, seed), config) for seed in search.seeds]
    before = [Job(job.sized_by) for job in wanted if job.sized_by]
    records = {job.run_id: record for job, record in run([*before, *wanted])}
    found = [records[job.run_id] for job in wanted]
    return TrialResult(
        values,
        tuple(mean_accuracy(record.accuracy) for record in found),
        tuple(record.run_id for record in found),
    )


def _study() -> "Study":
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UsageError("tuning needs optuna: pip install 'cgap-cl[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))


def _suggested(trial: "Trial", key: str, one: Searched) -> float:
    """Rounded to three digits: a setting that people can copy."""
    return float(f"{trial.suggest_float(key, one.low, one.high, log=True):.3g}")


def _value(settings: dict[str, Any], key: str) -> float:
    """A nested value by its dotted key."""
    value: Any = settings
    for part in key.split("."):
        value = value[part]
    return float(value)


def _leaves(table: Table, prefix: str = "") -> Iterator[str]:
    """Dotted keys of the values of nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
