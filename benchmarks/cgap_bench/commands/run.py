"""What `cgap-cl run` does: recipe -> runs -> records -> table."""

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from cgap_bench.commands.asked import Asked
from cgap_bench.commands.before.changed import changed_since
from cgap_bench.commands.before.document import plan_document
from cgap_bench.commands.before.first_look import AUTO, RAY
from cgap_bench.commands.before.fitting import workable
from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.memory import memory_notes
from cgap_bench.commands.before.plan import contents_text, full_text, plan_text, untuned_notes
from cgap_bench.commands.before.precision import KEYS, choose
from cgap_bench.commands.before.steering import steered_elsewhere
from cgap_bench.commands.during.progress import RunBars, RunsView
from cgap_bench.commands.during.stopping import stoppable
from cgap_bench.commands.during.summary import summary
from cgap_bench.errors import RunError, Stop, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.images.memory import parse_bytes
from cgap_bench.record.plain import printable
from cgap_bench.record.record import Record
from cgap_bench.record.store import ensure_writable
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.executors.gpus import default_jobs
from cgap_bench.run.executors.interface import Executor
from cgap_bench.run.executors.ray_cluster import ANY, RayCluster
from cgap_bench.run.jobs import Job
from cgap_bench.run.logs.kinds import log_kinds
from cgap_bench.run.recipe import load_recipe

MOST_MINUTES = 1e6  # two years


@dataclass(frozen=True)
class Request(Asked):
    """What the user asked for, as typed; the fields are the options of `cgap-cl run`."""

    output: Path = Path("results")
    jobs: int | None = None
    dry_run: str | None = None
    force: bool = False
    checkpoint_minutes: float = 5.0
    keep_weights: bool = False
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
