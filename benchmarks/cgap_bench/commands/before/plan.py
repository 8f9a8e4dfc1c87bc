"""The plan of `cgap-cl run`: which runs, what is finished, how long it takes, how much disk."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cgap_bench.commands.before.forecast import Forecast, kind
from cgap_bench.record.plain import printable
from cgap_bench.run.jobs import Job
from cgap_bench.run.recipe import Recipe
from cgap_bench.show.text_tables import aligned, duration

LONG_S = 1800.0  # from here on the preset that takes minutes is named
HEADER = ("method", "seeds", "epochs", "state", "time", "differs")


def plan_text(
    jobs: Sequence[Job], forecast: Forecast, processes: int, recipe: Recipe | None = None
) -> str:
    """One line a method, one on all of it, and the shorter preset if there is one.

    Args:
        jobs: What was asked for.
        forecast: Time and disk.
        processes: At a time.
        recipe: Whose default preset takes minutes.

    Raises:
        UsageError: The data are not there.
    """
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault(kind(job), []).append(job)
    rows = [HEADER] + [_row(group, jobs, forecast) for group in groups.values()]

    todo = [job for job in jobs if not forecast.is_finished(job)]
    lines = [aligned(rows), _total(jobs, todo, forecast, processes)]
    short = None if recipe is None else recipe.default_preset
    is_long = left_s(todo, jobs, forecast, processes) > LONG_S
    if is_long and short and short != jobs[0].config.preset:
        lines.append(f"--preset {short} takes minutes")
    return "\n".join(lines)


def untuned_notes(jobs: Sequence[Job]) -> list[str]:
    """A line on the methods that a search knows nothing of; none where nothing was searched."""
    files = {job.config.tuning.file for job in jobs if job.config.tuning.file}
    others = {
        job.config.method
        for job in jobs
        if not job.config.tuning.file and not job.config.variant
    }
    if not files or not others:
        return []
    return [
        f"settings of {', '.join(sorted(others))} are those of the recipe, or set by hand:"
        f" not what was found in {', '.join(sorted(files))}"
    ]


def contents_text(jobs: Sequence[Job], forecast: Forecast) -> list[str]:
    """A line on what the stream holds; none where nothing is left to do.

    Raises:
        UsageError: The data are not there.
    """
    todo = [job for job in jobs if not forecast.is_finished(job)]
    if not todo:
        return []
    config = todo[0].config
    orders = {job.config.stream.order_seed for job in todo}
    seeds = {job.config.seed for job in todo}
    by_seed = config.stream.order_by_seed or len(config.stream.task_orders) > 1
    others = len(orders) > 1 or (by_seed and len(seeds) > 1)
    more = "; other runs have other orders of classes" if others else ""
    return [printable(forecast.work(config).contents + more)]


def full_text(
    command: str,
    full_jobs: Callable[[], Sequence[Job]],
    forecast: Forecast,
    processes: int,
) -> str:
    """The line that names the full preset behind the one that takes minutes.

    What was asked for is done: where the full preset cannot be planned, the line says why.

    Args:
        command: Runs it.
        full_jobs: Makes its jobs.
        forecast: Time of each.
        processes: At a time.
    """
    told = []
    try:
        jobs = full_jobs()
        told.append(f"{len(jobs)} runs")
        told.append(f"about {duration(left_s(jobs, jobs, forecast, processes))}")
    except Exception as error:  # it may want data, or settings, that the short one does without
        cause, *_ = str(error).splitlines() or [type(error).__name__]
        told.append(f"no time can be told: {printable(cause)}")
    return f"this was the short preset; all of it: {command} ({', '.join(told)})"


def left_s(
    todo: Sequence[Job], jobs: Sequence[Job], forecast: Forecast, processes: int
) -> float:
    """Seconds of all processes side by side: the sum shared out, no less than the longest run.

    Args:
        todo: What is still to do.
        jobs: All that was asked for.
        forecast: Time of each.
        processes: At a time.

    Raises:
        UsageError: The data are not there.
    """
    times = [forecast.seconds(job, jobs) for job in todo]
    return max([sum(times) / processes, *times], default=0.0)


def _row(group: Sequence[Job], jobs: Sequence[Job], forecast: Forecast) -> tuple[str, ...]:
    config = group[0].config
    seeds = sorted({job.config.seed for job in group})
    n_done = sum(forecast.is_finished(job) for job in group)
    state = "finished" if n_done == len(group) else f"{len(group) - n_done} to do"
    if 0 < n_done < len(group):
        state = f"{n_done} finished, {state}"
    spent = sum(forecast.seconds(job, jobs) for job in group)
    return (
        f"{config.method} {config.variant}".strip(),
        _ranges(seeds),
        str(config.training.epochs),
        state,
        duration(spent) if spent else "-",
        " ".join(_differences(group[0], jobs[0])) or "-",
    )


def _total(jobs: Sequence[Job], todo: Sequence[Job], forecast: Forecast, processes: int) -> str:
    runs = "1 run" if len(jobs) == 1 else f"{len(jobs)} runs"
    if not todo:
        return "the run is finished" if len(jobs) == 1 else f"all {runs} are finished"
    left = duration(left_s(todo, jobs, forecast, processes))
    megabytes = math.ceil(forecast.disk_bytes(jobs, processes) / 1e6)
    busy = min(processes, len(todo))
    side_by_side = "1 process" if busy == 1 else f"{busy} processes"
    return (
        f"{len(todo)} of {runs} to do, about {left} in {side_by_side},"
        f" up to {megabytes} MB on disk"
    )


def _differences(job: Job, first: Job) -> list[str]:
    """Settings of training and network that are not those of the first run."""
    theirs, own = _flat(first), _flat(job)
    return [f"{key}={value}" for key, value in own.items() if theirs[key] != value]


def _flat(job: Job) -> Mapping[str, Any]:
    content = job.config.model_dump(mode="json", include={"network", "training"})
    return {
        f"{section}.{key}": value
        for section, values in content.items()
        for key, value in values.items()
        if key != "epochs"  # a table column of its own
    }


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds as a user may type them: `0-4` or `0,3,7`."""
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
