"""The plan of `cgap-cl run` as one JSON document, for programs."""

import json
from collections.abc import Sequence
from typing import Any

from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.commands.before.plan import contents_text, left_s
from cgap_bench.errors import UsageError
from cgap_bench.run.jobs import Job

HOUR_S = 3600.0


def plan_document(
    jobs: Sequence[Job], forecast: Forecast, processes: int, notes: Sequence[str] = ()
) -> str:
    """Two keys: `plan`, of all runs together, and `runs`, each with every setting.

    Hours and disk are null where they cannot be told because the data are not there; a note
    then says what is missing.

    Args:
        jobs: What was asked for.
        forecast: Time and disk.
        processes: At a time.
        notes: Lines for people.
    """
    todo = [job for job in jobs if not forecast.is_finished(job)]
    plan: dict[str, Any] = {
        "benchmark": jobs[0].config.benchmark,
        "preset": jobs[0].config.preset,
        "n_runs": len(jobs),
        "n_to_do": len(todo),
        "processes": min(processes, len(todo)),
    }
    told: dict[str, float | None] = {"hours": None, "disk_bytes": None}
    hours: dict[str, float | None] = dict.fromkeys(job.run_id for job in jobs)
    try:
        contents = contents_text(jobs, forecast)
        told["hours"] = left_s(todo, jobs, forecast, processes) / HOUR_S
        told["disk_bytes"] = forecast.disk_bytes(jobs, processes)
        hours |= {job.run_id: forecast.seconds(job, jobs) / HOUR_S for job in jobs}
    except UsageError as error:
        contents = [str(error)]
    plan |= told | {"notes": [*notes, *contents]}
    runs = [_run(job, forecast) | {"hours": hours[job.run_id]} for job in jobs]
    # settings last: they fill a page, and what is decided here is read first
    documents = [
        run | {"config": job.config.model_dump(mode="json")} for run, job in zip(runs, jobs)
    ]
    return json.dumps({"plan": plan, "runs": documents}, indent=2)


def _run(job: Job, forecast: Forecast) -> dict[str, Any]:
    """What is said of a run beside its settings."""
    return {
        "run_id": job.run_id,
        "name": job.name,
        "state": "finished" if forecast.is_finished(job) else "to do",
        "after": job.waits_for,
    }
