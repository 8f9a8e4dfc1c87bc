"""What `cgap-cl run` does: recipe -> runs -> records -> table."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from cgap_bench.commands.before.changed import changed_since
from cgap_bench.commands.before.document import plan_document
from cgap_bench.commands.before.first_look import AUTO, DEVICES, RAY, Words
from cgap_bench.commands.before.fitting import workable
from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.memory import memory_notes
from cgap_bench.commands.before.plan import contents_text, full_text, plan_text, untuned_notes
from cgap_bench.commands.before.precision import KEYS, choose
from cgap_bench.commands.before.steering import steered_elsewhere
from cgap_bench.commands.during.progress import RunBars, RunsView
from cgap_bench.commands.during.stopping import stoppable
from cgap_bench.commands.during.summary import summary
from cgap_bench.errors import RunError, Stop, UnknownNameError, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.datasets.named import find_dataset
from cgap_bench.learn.images.memory import parse_bytes
from cgap_bench.learn.method import check_scenario
from cgap_bench.learn.network import network_factory
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.plain import printable
from cgap_bench.record.record import Record
from cgap_bench.record.store import ensure_writable
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.executors.gpus import default_jobs
from cgap_bench.run.executors.interface import Executor
from cgap_bench.run.executors.ray_cluster import ANY, RayCluster
from cgap_bench.run.jobs import Job, job_of, jobs_of, method_names
from cgap_bench.run.keys import SECTIONS
from cgap_bench.run.logs.kinds import log_kinds
from cgap_bench.run.own.fingerprints import Fingerprints
from cgap_bench.run.recipe import Recipe, load_recipe, origin_of
from cgap_bench.run.resolver import resolve, variants
from cgap_bench.run.search.tuned import read_tuned
from cgap_bench.run.seeds import parse_seeds
from cgap_hw import load_board

ConfigOf = Callable[[str, int], RunConfig]

OF_RECIPE = "recipe"  # variant of runs beside those with what a search found
MOST_MINUTES = 1e6  # two years


@dataclass(frozen=True)
class Request(Words):
    """What the user asked for, as typed; the fields are the options of `cgap-cl run`."""

    board: str = "zcu104"
    data_root: Path | None = None
    output: Path = Path("results")
    jobs: int | None = None
    dry_run: str | None = None
    force: bool = False
    checkpoint_minutes: float = 5.0
    keep_weights: bool = False
    tuned: Path | None = None
    quiet: bool = False
    address: str | None = None
    gpu_share: float | None = None
    records_only: bool = False

    def settled(self, forecast: Forecast, keep: bool) -> tuple["Request", list[str]]:
        """The same with `precision` among the overrides, and a line on what was decided.

        Args:
            forecast: Knows the data.
            keep: Whether a decision is kept beside the records.

        Raises:
            UsageError: Something asked for is unknown or out of range.
        """
        if self.precision is None:
            return self, []
        decided = KEYS if self.precision == AUTO else KEYS[:1]
        twice = [text for text in self.overrides if text.partition("=")[0].strip() in decided]
        if twice:
            raise UsageError(f"--precision and --set {twice[0]} exclude each other")

        plain = replace(self, precision=None)
        if self.precision != AUTO:
            override = f"{KEYS[0]}={self.precision}"
            return replace(plain, overrides=(*self.overrides, override)), []
        config = plain.job_list()[0].config  # one decision for all that is compared
        if keep:
            ensure_writable(self.output)  # before time goes into a probe
        choice = choose(config, forecast.work(config), self.output, keep)
        overrides = (*self.overrides, *choice.overrides)
        return replace(plain, overrides=overrides), [choice.text]

    def job_list(self) -> list[Job]:
        """The jobs it takes.

        Raises:
            UsageError: Something asked for is unknown or out of range.
        """
        check_device(self.device)
        load_board(self.board)
        benchmark, recipe = load_recipe(self.benchmark)
        orders = self.orders or recipe.preset(self.preset)[1].orders
        ordered = [(f"stream.order_seed={n}",) for n in parse_seeds(orders)] if orders else [()]
        overrides = (*self._named_network(), *self.overrides)
        jobs = [
            job
            for order in ordered
            for job in self._jobs_in(benchmark, recipe, (*overrides, *order))
        ]
        self._check(jobs)
        return jobs

    def _jobs_in(self, benchmark: str, recipe: Recipe, overrides: tuple[str, ...]) -> list[Job]:
        """The jobs of one order of classes."""
        tuned = read_tuned(self.tuned) if self.tuned else None
        resolver = resolve(benchmark, recipe, self.preset, overrides, self.device, tuned)
        methods = method_names(self.methods) if self.methods else list(resolver.overlay.methods)
        seeds = parse_seeds(self.seeds or resolver.overlay.seeds)

        varied = variants(benchmark, recipe, self.preset, overrides, self.device, tuned)
        marked = self._marker(recipe)
        config_of = marked(resolver.config)
        jobs = jobs_of(config_of, methods, seeds) + [
            job_of(marked(made.config)(method, seed), config_of)
            for method, made in varied
            if method in methods
            for seed in seeds
        ]
        beside = [name for name in methods if resolver.is_tuned(name) and not self.tuned]
        if beside:  # each with the recipe's own settings too, unless those were the best
            plain = resolve(benchmark, recipe.untuned(), self.preset, overrides, self.device)
            known = {job.run_id for job in jobs}
            recipes = jobs_of(marked(plain.named(OF_RECIPE).config), beside, seeds)
            jobs += [job for job in recipes if job.run_id not in known]
        return jobs

    def _marker(self, recipe: Recipe) -> Callable[[ConfigOf], ConfigOf]:
        """Adds to configurations what tells own code, images and recipes from others."""
        update = {
            "origin": origin_of(self.benchmark, recipe, self.preset),
            "overrides": (*self._named_network(), *self.overrides),
        }
        fingerprints = Fingerprints(data_root(self.data_root))

        def marked(make: ConfigOf) -> ConfigOf:
            return lambda method, seed: fingerprints.of(make(method, seed)).model_copy(
                update=update
            )

        return marked

    def _named_network(self) -> list[str]:
        """`--network` is short for an override, which quotes a name with a colon in it."""
        return [f'network.name="{self.network}"'] if self.network else []

    def _check(self, jobs: list[Job]) -> None:
        """Find now what would fail, or be ignored, only once there are worker processes."""
        for config in (job.config for job in jobs):
            network_factory(config.network.name)
            for name in config.stream.dataset.split("+"):
                find_dataset(name)
            check_scenario(config)

        run = {job.config.method for job in jobs}
        for owner, dot, _ in (override.partition(".") for override in self.overrides):
            if dot and owner not in SECTIONS and owner not in run:
                raise UsageError(f"a key of {owner} is set, but that method is not run")

    def full(self) -> "Request | None":
        """The same of the full preset, where the one that takes minutes was run by default."""
        _, recipe = load_recipe(self.benchmark)
        short = self.preset in (None, recipe.default_preset)
        return (
            replace(self, preset=recipe.full_preset) if short and recipe.full_preset else None
        )

    def options(self) -> Options:
        """How to execute them."""
        if not 0 <= self.checkpoint_minutes <= MOST_MINUTES:
            raise UsageError(
                f"--checkpoint-minutes {self.checkpoint_minutes} is not 0 to {MOST_MINUTES:g}"
            )
        limits = {"jobs": self.jobs or default_jobs(self.device)}
        if self.memory_budget is not None:
            limits["memory_bytes"] = parse_bytes(self.memory_budget)
        return Options(
            self.output,
            data_root(self.data_root),
            executor=self._executor(),
            force=self.force,
            checkpoint_minutes=self.checkpoint_minutes,
            keep_networks=self.keep_weights,
            logs=log_kinds(self.log),
            **limits,
        )

    def _executor(self) -> Executor | None:
        """Who runs them; None: processes of this machine."""
        if self.executor == RAY:
            address, share = self.address or ANY, self.gpu_share or 0.0
            return RayCluster(address, self.jobs, share)
        for name, value in (("--address", self.address), ("--gpu-share", self.gpu_share)):
            if value is not None:
                raise UsageError(f"{name} {value} is of a cluster: add --executor {RAY}")
        return None


def check_device(name: str) -> None:
    """Raises `UsageError` when torch cannot use the device."""
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda' is not available here; use --device cpu")


def dry_run(request: Request) -> str:
    """The plan as a table, or with the resolved configuration of every run as JSON."""
    options = request.options()
    forecast = Forecast(options.root, options.finished, options.memory)
    request, notes = request.settled(forecast, keep=False)
    jobs, processes = request.job_list(), options.workers.n_processes
    notes += changed_since(jobs, request.output) + untuned_notes(jobs)
    if request.dry_run == "json":
        return plan_document(jobs, forecast, processes, notes)
    notes += memory_notes(workable(jobs, forecast), forecast, options.memory)
    return "\n".join([*notes, *_plan(request, jobs, forecast, options)])


def _plan(request: Request, jobs: list[Job], forecast: Forecast, options: Options) -> list[str]:
    """What the stream holds, and the table of the runs."""
    _, recipe = load_recipe(request.benchmark)
    plan = plan_text(jobs, forecast, options.workers.n_processes, recipe)
    return [*contents_text(jobs, forecast), plan]


def run_benchmark(request: Request) -> None:
    """Run what has no record yet, then show the comparison of all that was asked for."""
    options = request.options()
    forecast = Forecast(options.root, options.finished, options.memory)
    request, notes = request.settled(forecast, keep=True)
    jobs, console = workable(request.job_list(), forecast), Console()
    notes += changed_since(jobs, request.output) + steered_elsewhere(jobs, request.board)
    chatter = Console(quiet=request.quiet)  # all but the table and errors
    notes += [*untuned_notes(jobs), *memory_notes(jobs, forecast, options.memory)]

    ensure_writable(options.output)  # before time goes into a probe
    if not request.quiet:  # what nobody sees is not probed either
        plan = _plan(request, jobs, forecast, options)
        _say([*map(printable, notes), *plan], chatter)
    records = list[Record]()
    failure: UsageError | RunError | None = None
    try:
        with stoppable():
            _execute(jobs, options, forecast, chatter, records)
    except Stop as stop:
        stop.kept = (
            f"{len(records)} of {len(jobs)} runs are finished and recorded in"
            f" {options.output}; the same command goes on with the others, those under way"
            " from their last checkpoint"
        )
        raise
    except (UsageError, RunError) as error:  # of some runs; the others are shown
        failure = error
    if records and not request.records_only:
        # Pandas and the charts: only now, no run has waited for them.
        from cgap_bench.show.report import show

        show(records, request.board, request.output, console)
    if failure is not None:
        raise failure
    if not request.quiet:
        _say(_full(request, forecast, options), chatter)


def _full(request: Request, forecast: Forecast, options: Options) -> list[str]:
    """A line on the full preset where the short one was run."""
    if (full := request.full()) is None:
        return []
    command = f"cgap-cl run {full.benchmark} --preset {full.preset}"
    return [full_text(command, full.job_list, forecast, options.workers.n_processes)]


def _say(lines: list[str], console: Console) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _execute(
    jobs: list[Job],
    options: Options,
    forecast: Forecast,
    console: Console,
    records: list[Record],
) -> None:
    """Add the records as they are finished, with bars and a line each."""
    before = {job.run_id for job in jobs if forecast.is_finished(job)}  # the plan says so
    counted = {
        job.run_id: 0 if job.run_id in before else forecast.images(job.config) for job in jobs
    }
    names = {job.run_id: job.name for job in jobs}
    with RunsView(console) as view:
        bars = RunBars(view, counted, names)
        with closing(execute(jobs, options, bars.advance)) as finished:
            for job, record in finished:
                bars.finish(job.run_id)
                records.append(record)
                if job.run_id not in before:
                    _say([printable(f"{job.name}: {summary(record)}")], console)
