"""Trials: runs scored on held-out images, with the same budget for every method.

They have records of their own: a search that was stopped goes on where it was, since the same
sampler asks for the same trials again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.record import Record
from cgap_bench.record.searches import Search, Searched, Spacing, TrialResult
from cgap_bench.run.jobs import Job, job_of
from cgap_bench.run.search.space import space_of
from cgap_bench.run.search.values import tables

if TYPE_CHECKING:
    from optuna import Study, Trial

ConfigOf = Callable[[str, int], RunConfig]
Resolve = Callable[[Mapping[str, Any]], ConfigOf]  # tables laid over -> configuration
Run = Callable[[Sequence[Job]], Iterator[tuple[Job, Record]]]


@dataclass(frozen=True)
class Plan:
    """What is to be searched for one method.

    Attributes:
        method: Its name.
        space: Dotted key -> range.
        start: Where the recipe is: the first trial.
        seeds: Runs of a trial.
        n_trials: How many, the first included.
    """

    method: str
    space: dict[str, Searched]
    start: dict[str, float]
    seeds: tuple[int, ...]
    n_trials: int

    def outcome(self, results: Sequence[TrialResult]) -> Search:
        """What has come of it."""
        return Search(self.method, self.space, self.start, tuple(results))


def plan_of(config: RunConfig, seeds: Sequence[int], n_trials: int) -> Plan:
    """What there is to search for a method: the learning rate, and what it says itself.

    Args:
        config: Its configuration in the recipe.
        seeds: Runs of a trial.
        n_trials: Trials.
    """
    space, start = space_of(config)
    return Plan(config.method, space, start, tuple(seeds), n_trials)


def run_trials(plan: Plan, resolve: Resolve, run: Run) -> Iterator[TrialResult]:
    """Make the trials one after the other; each is handed out as it ends.

    The first is the recipe as it is. A run that diverges counts as no image right.

    Args:
        plan: What to search.
        resolve: Tables laid over the recipe -> method and seed -> configuration.
        run: Does jobs, or reads their records.

    Raises:
        UsageError: Optuna is not installed.
    """
    study = _study()
    study.enqueue_trial(plan.start)
    for number in range(plan.n_trials):
        trial = study.ask()
        space = plan.space if number else {key: plan.space[key] for key in plan.start}
        values = {key: _suggested(trial, key, one) for key, one in space.items()}
        result = _run_trial(plan, values if number else plan.start, resolve, run)
        study.tell(trial, result.mean)
        yield result


def _run_trial(
    plan: Plan, values: Mapping[str, float], resolve: Resolve, run: Run
) -> TrialResult:
    config = resolve(tables(plan.method, values))
    wanted = [job_of(config(plan.method, seed), config) for seed in plan.seeds]
    before = [Job(job.sized_by) for job in wanted if job.sized_by]
    records = {job.run_id: record for job, record in run([*before, *wanted])}
    found = [records[job.run_id] for job in wanted]
    return TrialResult(
        dict(values),
        tuple(_score(record) for record in found),
        tuple(record.run_id for record in found),
    )


def _score(record: Record) -> float:
    from cgap_bench.show.metrics import mean_accuracy

    return 0.0 if record.outcome is not None else mean_accuracy(record.accuracy)


def sampler() -> str:
    """What chooses the values, in words."""
    return f"TPE of optuna {version('optuna')}, seed 0, the recipe's values first"


def _study() -> "Study":
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UsageError("tuning needs optuna: pip install 'cgap-cl[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))


def _suggested(trial: "Trial", key: str, one: Searched) -> float:
    """Rounded to three digits: a setting that people can copy."""
    log = one.spacing is Spacing.LOGARITHMIC
    return float(f"{trial.suggest_float(key, one.low, one.high, log=log):.3g}")
