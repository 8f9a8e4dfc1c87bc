"""What `cgap-cl tune` does: trials on held-out images -> a recipe's tables with provenance."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cgap_bench.commands.during.stopping import stoppable
from cgap_bench.errors import Stop, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import check_scenario
from cgap_bench.record.configuration import RunConfig, Split
from cgap_bench.record.files import write_file
from cgap_bench.record.record import Record
from cgap_bench.record.searches import (
    Search,
    SearchBudget,
    SearchFile,
    TrialResult,
    read_searches,
    write_searches,
)
from cgap_bench.record.store import read_record, record_path
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.jobs import Job, method_names
from cgap_bench.run.own.fingerprints import Fingerprints
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.run.search.trials import Plan, plan_of, run_trials, sampler
from cgap_bench.run.search.tuned import tuned_text
from cgap_bench.run.seeds import parse_seeds
from cgap_bench.show.beside.searched import value_words
from cgap_bench.show.text_tables import aligned

HELD_OUT = (
    "stream.score_on=held-out",
    "stream.class_order=[]",
    "stream.order_seed=none",
    "stream.order_by_seed=true",
)
SHARE = 0.1  # of the training images, where a recipe holds none out
FOLDER = "tuning"


@dataclass(frozen=True)
class TuneRequest:
    """What the user asked for; the fields are the options of `cgap-cl tune`."""

    benchmark: str
    preset: str | None = None
    methods: str | None = None
    trials: int = 16
    seeds: str = "100-101"
    overrides: tuple[str, ...] = ()
    data_root: Path | None = None
    output: Path = Path("results")
    jobs: int | None = None

    def command(self, methods: Sequence[str]) -> str:
        """The command that makes the same searches of some methods."""
        parts = ["cgap-cl tune", self.benchmark]
        parts += [f"--preset {self.preset}"] if self.preset else []
        parts += [f"--methods {','.join(methods)}"]
        parts += [f"--trials {self.trials} --seeds {self.seeds}"]
        return " ".join([*parts, *(f"--set {one}" for one in self.overrides)])

    def resolver(self, changes: Mapping[str, Any]) -> Callable[[str, int], RunConfig]:
        """Method and seed -> configuration, on held-out images in shuffled orders."""
        benchmark, recipe = load_recipe(self.benchmark)
        recipe = recipe.untuned()
        plain = resolve(benchmark, recipe, self.preset, self.overrides)
        share = plain.overlay.training.get("holdout_share")
        held_out = () if share else (f"training.holdout_share={SHARE}",)
        overrides = (*HELD_OUT, *held_out, *self.overrides)
        if (
            resolve(benchmark, recipe, self.preset, overrides).overlay.stream.get("score_on")
            != Split.HELD_OUT
        ):
            raise UsageError("tune chooses by held-out images: leave stream.score_on to it")
        made = resolve(benchmark, recipe, self.preset, overrides).laid_over(changes)
        fingerprints = Fingerprints(data_root(self.data_root))
        return lambda method, seed: fingerprints.of(made.config(method, seed))

    def names(self) -> list[str]:
        """Methods, those of the preset by default."""
        if self.methods:
            return method_names(self.methods)
        _, recipe = load_recipe(self.benchmark)
        return list(recipe.preset(self.preset)[1].methods)

    @property
    def budget(self) -> SearchBudget:
        """What every method gets."""
        name, recipe = load_recipe(self.benchmark)
        preset, _ = recipe.preset(self.preset)
        seeds = tuple(parse_seeds(self.seeds))
        return SearchBudget(name, preset, self.overrides, self.trials, seeds)

    @property
    def path(self) -> Path:
        """Of the file with all trials."""
        budget = self.budget
        return self.output / FOLDER / f"{budget.benchmark}-{budget.preset}.json"


def tune_text(request: TuneRequest) -> str:
    """Search for every method, write what was best, and say it.

    Raises:
        UsageError: Something asked for is unknown, optuna is not installed, or there are
            searches with another budget in the folder.
    """
    config, budget, names = request.resolver({}), request.budget, request.names()
    plans = [_plan(config(name, budget.seeds[0]), budget) for name in names]
    _earlier(request, names)  # would be refused at the end
    console, run = Console(), _runner(request)
    n_runs = len(names) * budget.trials * len(budget.seeds)
    _say(
        console,
        f"{budget.words} for each of {len(names)} methods: {n_runs:,} runs, scored on held-out"
        " training images in shuffled orders of classes",
    )

    file: SearchFile | None = None
    try:
        with stoppable():
            for plan in plans:
                results = _trials(plan, run_trials(plan, request.resolver, run), console)
                file = _kept(request, plan.outcome(results))
    except Stop as stop:
        stop.kept = "the same command goes on with the trial that it was at"
        raise
    assert file is not None
    tuned = request.path.with_suffix(".toml")
    shown = search_table([file.searches[name] for name in names])
    kept = f"all trials: {request.path}\nwritten to {tuned}; use it with --tuned {tuned}"
    return f"{shown}\n\n{kept}"


def _plan(config: RunConfig, budget: SearchBudget) -> Plan:
    check_scenario(config)
    return plan_of(config, budget.seeds, budget.trials)


def _trials(plan: Plan, trials: Iterator[TrialResult], console: Console) -> list[TrialResult]:
    """The results, each said as it is there."""
    results: list[TrialResult] = []
    for result in trials:
        best = max((one.mean for one in results), default=-1.0)
        results.append(result)
        mark = " (the recipe)" if len(results) == 1 else " (best so far)" * (result.mean > best)
        lost = result.accuracy.count(0.0)
        said = f", {lost} of {len(result.accuracy)} runs with nothing right" if lost else ""
        place = f"{plan.method}, trial {len(results)} of {plan.n_trials}"
        scored = f"{100 * result.mean:.2f} %{mark}{said}"
        _say(console, f"{place}: {value_words(result.values)}: {scored}")
    return results


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _earlier(request: TuneRequest, names: Sequence[str]) -> dict[str, Search]:
    """Searches of other methods that are there already.

    Raises:
        UsageError: They had another budget: no method may have more than another.
    """
    path, budget = request.path, request.budget
    if not path.exists():
        return {}
    file = read_searches(path)
    others = {name: one for name, one in file.searches.items() if name not in names}
    if others and file.budget != budget:
        raise UsageError(
            f"{path} has {file.budget.words} for {', '.join(others)}; {budget.words} for"
            f" {', '.join(names)} would not be the same for every method: search all of them,"
            " or choose another --output"
        )
    return others


def _kept(request: TuneRequest, search: Search) -> SearchFile:
    """Write all trials, and the best of them as tables of a recipe, as each method is done."""
    searches = _earlier(request, [search.method]) | {search.method: search}
    ordered = dict(sorted(searches.items()))
    budget, best = request.budget, search.best.run_ids[0]
    record = read_record(record_path(request.output / FOLDER, budget.benchmark, best))
    command = request.command(list(ordered))
    file = SearchFile(command, budget, sampler(), record.environment, ordered)
    write_searches(request.path, file, request.output)
    write_file(request.path.with_suffix(".toml"), tuned_text(file), request.output)
    return file


def search_table(searches: Sequence[Search]) -> str:
    """The best trial of every method, for a terminal."""
    rows: list[tuple[str, ...]] = [("method", "trials", "recipe [%]", "best [%]")]
    told = ["values of the best"]
    for search in searches:
        told.append(value_words(search.best.values))
        accuracies = (f"{100 * one.mean:.2f}" for one in (search.recipe, search.best))
        rows.append((search.method, str(len(search.results)), *accuracies))
    return "\n".join(map("  ".join, zip(aligned(rows).splitlines(), told, strict=True)))


def _runner(request: TuneRequest) -> Callable[[Sequence[Job]], Iterator[tuple[Job, Record]]]:
    """Does jobs; their records are kept apart from those of results."""
    options = Options(request.output / FOLDER, data_root(request.data_root))
    if request.jobs:
        options = replace(options, jobs=request.jobs)

    def run(jobs: Sequence[Job]) -> Iterator[tuple[Job, Record]]:
        with closing(execute(jobs, options, lambda *_: None)) as finished:
            yield from finished

    return run
