"""What a reader must know of the records before the numbers: gaps, versions, machines."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from cgap_bench.record.record import Record
from cgap_bench.show.comparison import Comparison

MAX_NAMED = 8  # beyond, they are counted
MACHINE = ("device", "system", "capability", "threads")


def warnings(one: Comparison) -> list[str]:
    """What is missing, partial, or not alike among the records of a comparison."""
    diverged = (f"Diverged: {said}." for said in one.diverged)
    return [*_missing(one), *_partial(one.records), *_mixed(one.records), *diverged]


def unfinished(out: Path) -> list[str]:
    """A line on runs that have begun and have no record yet."""
    begun = {path.name.partition(".")[0] for path in (out / "unfinished").glob("*")}
    n = len(begun - {path.stem for path in (out / "runs").glob("*/*.json")})
    what = "run has" if n == 1 else "runs have"
    return [f"{n} {what} begun and no record yet."] if n else []


def _missing(one: Comparison) -> Iterator[str]:
    """Seeds and orders that some methods have run and others have not."""
    pairs: dict[str, set[tuple[int, int | None]]] = defaultdict(set)
    for record in one.records:
        pairs[one.labels[record.run_id]].add(
            (record.config.seed, record.config.stream.order_seed)
        )
    everything = set().union(*pairs.values())

    for name, own in sorted(pairs.items()):
        lacking = sorted(everything - own, key=lambda pair: (pair[0], pair[1] or 0))
        if lacking:
            seeds = _listed(_pair(*pair) for pair in lacking)
            yield f"Missing: {name} has no run of {seeds}; paired differences leave them out."


def _pair(seed: int, order: int | None) -> str:
    return f"seed {seed}" if order is None else f"seed {seed} in order {order}"


def _partial(records: Sequence[Record]) -> Iterator[str]:
    """Facts that some records hold and others do not."""
    facts: dict[str, Callable[[Record], object]] = {
        "accuracy at 8 bits": lambda record: record.accuracy_8bit,
        "accuracy by batch statistics": lambda record: record.accuracy_by_batch,
        "training multiply-adds": lambda record: record.training_macs,
        "multiply-adds beside training batches": lambda record: record.macs_beside,
        "times of training": lambda record: record.timings.get("train_s"),
    }
    for fact, of in facts.items():
        lacking = [record.run_id for record in records if not of(record)]
        if lacking and len(lacking) < len(records):
            yield f"Partial: no {fact} in {len(lacking)} records ({_listed(lacking)})."
    short = [r.run_id for r in records if len(r.accuracy) < len(r.n_test)]
    if short:
        yield f"Partial: {_listed(short)} end before their last experience."


def _mixed(records: Sequence[Record]) -> Iterator[str]:
    """Versions of the code and machines, where there are several."""
    facts: dict[str, Callable[[Record], str]] = {
        "versions of the code": lambda r: str(r.environment.get("revision") or "unknown"),
        "versions of torch": lambda r: str(_package(r, "torch")),
        "versions of cgap-cl": lambda r: str(_package(r, "cgap-cl")),
        "machines": _machine,
    }
    for fact, of in facts.items():
        counts: dict[str, int] = defaultdict(int)
        for record in records:
            counts[of(record)] += 1
        if len(counts) > 1:
            parts = _listed(f"{name}: {n} runs" for name, n in sorted(counts.items()))
            yield f"Made with {len(counts)} {fact} ({parts})."
    changed = [r.run_id for r in records if str(r.environment.get("revision")).endswith("+")]
    if changed:
        yield f"{len(changed)} runs were made by code that was changed and not committed."


def _machine(record: Record) -> str:
    """What rounding depends on: a processor with other kernels is another machine."""
    known = {key: record.environment.get(key, "unknown") for key in MACHINE}
    return "{device}, {system}, kernels {capability}, threads {threads}".format(**known)


def _package(record: Record, name: str) -> object:
    packages = record.environment.get("packages")
    return packages.get(name) if isinstance(packages, dict) else None


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - MAX_NAMED
    return ", ".join(known[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
