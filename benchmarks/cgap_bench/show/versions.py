"""Runs of a user's own network or dataset that has changed since: told apart by version."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.record import Record

SHOWN = 6  # hex digits of a fingerprint


@dataclass(frozen=True, order=True)
class Version:
    """One of several versions of a thing that has one name.

    Attributes:
        kind: ``network`` or ``dataset``.
        name: As in a recipe.
        fingerprint: Its first digits.
    """

    kind: str
    name: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} as of {self.fingerprint}"


def versions(records: Sequence[Record]) -> dict[str, tuple[Version, ...]]:
    """run_id -> versions of its network and dataset, where there are several among the runs.

    Args:
        records: Of one benchmark and preset. What never changed has no versions.
    """
    known: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for record in records:
        for kind, name, fingerprint in things(record.config):
            known[kind, name].add(fingerprint)
    return {
        record.run_id: tuple(
            Version(kind, name, (fingerprint or "unknown")[:SHOWN])
            for kind, name, fingerprint in things(record.config)
            if len(known[kind, name]) > 1
        )
        for record in records
    }


def things(config: RunConfig) -> tuple[tuple[str, str, str | None], ...]:
    """Kind, name and fingerprint of what a user may bring."""
    network, stream = config.network, config.stream
    return (
        ("network", network.name, network.fingerprint),
        ("dataset", stream.dataset, stream.fingerprint),
    )
