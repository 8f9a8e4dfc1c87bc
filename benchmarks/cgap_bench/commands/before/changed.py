"""Has a user's own network or dataset changed since runs were finished with it?"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.store import read_records
from cgap_bench.run.jobs import Job
from cgap_bench.show.versions import things

_WHAT = {"network": "of another network", "dataset": "of other images"}


def changed_since(jobs: Sequence[Job], output: Path) -> list[str]:
    """A line on each network and dataset that finished runs had in another version.

    Args:
        jobs: What is asked for.
        output: Results folder.

    Raises:
        UsageError: Its records are of an older schema.
    """
    config = jobs[0].config  # one network and one dataset for all that is compared
    now = _versions(config)
    if not any(now.values()):
        return []
    older: Counter[tuple[str, str]] = Counter()
    for record in read_records(output, config.benchmark, tell=lambda _line: None):
        if record.config.preset == config.preset:
            then = _versions(record.config)
            older.update(key for key in now if then.get(key, now[key]) != now[key])
    return [_line(kind, name, n) for (kind, name), n in older.items()]


def _line(kind: str, name: str, n: int) -> str:
    runs, they = ("run", "it is") if n == 1 else ("runs", "they are")
    return (
        f"{kind} {name} has changed since {n} finished {runs}: {they} {_WHAT[kind]}, and in"
        " another table"
    )


def _versions(config: RunConfig) -> dict[tuple[str, str], str | None]:
    return {(kind, name): fingerprint for kind, name, fingerprint in things(config)}
