"""What `cgap-cl tune` does: trials on held-out images -> a recipe's tables with provenance."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.files import read_toml, write_file
from cgap_bench.record.record import Record
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.jobs import Job
from cgap_bench.run.keys import first_mistake
from cgap_bench.run.own.fingerprints import Fingerprints
from cgap_bench.run.recipe import Overlay, Table, laid_over, load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.run.seeds import parse_seeds
from cgap_bench.run.tuning import Search, check_searched, run_search, search_of, tables
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

    @property
    def command(self) -> str:
        """The command that makes the same search."""
        parts = ["cgap-cl tune", self.benchmark]
        parts += [f"--preset {self.preset}"] if self.preset else []
        parts += [f"--methods {self.methods}"] if self.methods else []
        parts += [f"--trials {self.trials} --seeds {self.seeds}"]
        return " ".join([*parts, *(f"--set {one}" for one in self.overrides)])

    def resolver(self, changes: Table) -> Callable[[str, int], RunConfig]:
        """Method and seed -> configuration, on held-out images in shuffled orders."""
        benchmark, recipe = load_recipe(self.benchmark)
        plain = resolve(benchmark, recipe, self.preset, self.overrides)
        share = plain.overlay.training.get("holdout_share")
        held_out = () if share else (f"training.holdout_share={SHARE}",)
        overrides = (*HELD_OUT, *held_out, *self.overrides)
        made = resolve(benchmark, recipe, self.preset, overrides, tuned=changes)
        fingerprints = Fingerprints(data_root(self.data_root))
        return lambda method, seed: fingerprints.of(made.config(method, seed))

    def names(self) -> list[str]:
        """Methods, those of the preset by default."""
        if self.methods:
            return [name.strip() for name in self.methods.split(",") if name.strip()]
        _, recipe = load_recipe(self.benchmark)
        return list(recipe.preset(self.preset)[1].methods)


def tune_text(request: TuneRequest) -> str:
    """Search for every method, write what was best, and say it.

    Raises:
        UsageError: Something asked for is unknown, or optuna is not installed.
    """
    config, seeds = request.resolver({}), parse_seeds(request.seeds)
    for name in request.names():
        METHODS[name]  # an unknown name ends it before any training
    searches = [
        search_of(config(name, seeds[0]), seeds, request.trials) for name in request.names()
    ]

    run, console = _runner(request), Console()
    for search in searches:
        for number, result in enumerate(run_search(search, request.resolver, run), start=1):
            values = ", ".join(f"{key}={value:g}" for key, value in result.values.items())
            console.print(
                f"{search.method}, trial {number} of {search.n_trials}: {values}:"
                f" {100 * result.mean:.2f} %",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    path = write_searches(request, searches)
    return f"{search_table(searches)}\n\nwritten to {path}; use it with --tuned {path}"


def write_searches(request: TuneRequest, searches: Sequence[Search]) -> Path:
    """What was found: tables of a recipe, and all trials as JSON beside them."""
    name, _ = load_recipe(request.benchmark)
    preset = load_recipe(request.benchmark)[1].preset(request.preset)[0]
    folder = request.output / FOLDER
    path = folder / f"{name}-{preset}.toml"
    write_file(path, recipe_text(request.command, searches), request.output)

    content = {
        "command": request.command,
        "sampler": "TPE of optuna, seed 0, the recipe's values first",
        "searches": [asdict(search) for search in searches],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_file(path.with_suffix(".json"), text, request.output)
    return path


def recipe_text(command: str, searches: Sequence[Search]) -> str:
    """The best values as tables of a recipe, each with what was tried."""
    lines = [f"# made by: {command}"]
    for search in searches:
        best = search.best
        told = (
            f"# {search.method}: best of {len(search.results)} trials of {len(search.seeds)}"
            f" runs, {100 * best.mean:.2f} % on held-out images"
        )
        lines += ["", told]
        for section, by_method in tables(search.method, best.values).items():
            lines.append(f"[{section}.{search.method}]")
            lines += [f"{key} = {value!r}" for key, value in by_method[search.method].items()]
    return "\n".join(lines) + "\n"


def read_tuned(path: Path) -> Table:
    """The tables of a file that `tune` wrote.

    Raises:
        UsageError: It cannot be read, or holds something else than what is searched.
    """
    content = read_toml(path)
    others = content.keys() - {"method", "training_of"}
    if others:
        raise UsageError(
            f"{path} holds {', '.join(sorted(others))}; tuned settings are tables of method and"
            " training_of"
        )
    try:
        overlay = Overlay.model_validate(laid_over({}, content))
    except ValidationError as error:
        raise UsageError(f"{path}: {first_mistake(error, Overlay, '')}") from error
    changes = overlay.model_dump(exclude_unset=True)
    try:
        check_searched(changes)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return changes


def search_table(searches: Sequence[Search]) -> str:
    """The best trial of every method, for a terminal."""
    rows: list[tuple[str, ...]] = [("method", "trials", "recipe [%]", "best [%]", "values")]
    for search in searches:
        first, best = search.results[0], search.best
        values = ", ".join(f"{key}={value:g}" for key, value in best.values.items())
        accuracies = (f"{100 * one.mean:.2f}" for one in (first, best))
        rows.append((search.method, str(len(search.results)), *accuracies, values))
    return aligned(rows)


def _runner(request: TuneRequest) -> Callable[[Sequence[Job]], Iterator[tuple[Job, Record]]]:
    """Does jobs; their records are kept apart from those of results."""
    options = Options(request.output / FOLDER, data_root(request.data_root))
    if request.jobs:
        options = replace(options, jobs=request.jobs)

    def run(jobs: Sequence[Job]) -> Iterator[tuple[Job, Record]]:
        with closing(execute(jobs, options, lambda *_: None)) as finished:
            yield from finished

    return run
