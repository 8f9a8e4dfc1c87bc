"""What is wrong with a record beyond the kinds of its fields: identity, shapes, ranges."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

from pydantic import ValidationError

from cgap_bench.record.identity import run_id
from cgap_bench.record.plain import as_bytes, from_bytes
from cgap_bench.record.record import AHEAD, BY_BATCH, IN_8_BITS, Record, network_hash
from cgap_hw.layers.shapes import LayerShape, first_problem

BESIDE = ("mask_bits", "stored_images")  # of a record's extra facts, one number an experience
SPENT = ("n", "largest_bytes", "write_s", "resumed")  # on checkpoints


def problem(record: Record) -> str:
    """The first thing that is wrong, ``field: why``; empty if nothing is."""
    checks: tuple[Callable[[Record], Iterator[str]], ...] = (
        _identity,
        _matrix,
        _networks,
        _counts,
        _names,
        _facts,
    )
    return next(chain.from_iterable(check(record) for check in checks), "")


def n_tasks(record: Record) -> int:
    """T, as the configuration has it."""
    stream = record.config.stream
    return min(stream.first or stream.n_experiences, stream.n_experiences)


def n_finished(record: Record) -> int:
    """Experiences that were measured."""
    return n_tasks(record) if record.outcome is None else record.outcome.experience - 1


def _identity(record: Record) -> Iterator[str]:
    identity = run_id(record.config, record.depends_on)
    if identity != record.run_id:
        yield f"run_id: is {record.run_id}, but the run that it holds is {identity}"
    if record.outcome is not None and record.outcome.experience > n_tasks(record):
        yield f"outcome.experience: is {record.outcome.experience}, of {n_tasks(record)}"


def _matrix(record: Record) -> Iterator[str]:
    n, n_rows = n_tasks(record), n_finished(record)
    yield from _long("n_test", record.n_test, n)
    yield from _above("n_test", record.n_test, 1)
    yield from _long("accuracy", record.accuracy, n_rows)
    for i, row in enumerate(record.accuracy):
        yield from _long(f"accuracy.{i}", row, n)
        yield from _shares(f"accuracy.{i}", row)
        if any(value is not None for value in row[i + 1 :]):
            yield f"accuracy.{i}: of tasks that had not been learnt"
    for field in (IN_8_BITS, BY_BATCH, *AHEAD):
        if values := getattr(record, field):
            yield from _long(field, values, n)
            yield from _shares(field, values)


def _networks(record: Record) -> Iterator[str]:
    for key, layers in record.networks.items():
        identity, said = _of_network(as_bytes(layers))
        if identity != key:
            yield f"networks.{key}: holds {identity}"
        yield from (f"networks.{key}{one}" for one in said)

    yield from _long("subnetworks", record.subnetworks, len(record.accuracy))
    for i, (row, keys) in enumerate(zip(record.accuracy, record.subnetworks)):
        yield from _long(f"subnetworks.{i}", keys, sum(value is not None for value in row))
        unknown = set(keys) - record.networks.keys()
        if unknown:
            yield f"subnetworks.{i}: {min(unknown)} is not among the networks"
    if record.outcome is None and not record.subnetworks[-1]:
        yield "subnetworks: nothing was measured after the last experience"


@lru_cache(maxsize=4096)
def _of_network(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Hash, and what is wrong with layers; runs of a kind have networks in common."""
    layers = from_bytes(content)
    return network_hash(layers), tuple(_layers("", layers))


def _counts(record: Record) -> Iterator[str]:
    n, n_rows = n_tasks(record), n_finished(record)
    yield from _long("stored_parameters", record.stored_parameters, n_rows)
    yield from _above("stored_parameters", record.stored_parameters, 0)
    for name in ("training_macs", "macs_beside"):
        counted = getattr(record, name)
        if counted:
            yield from _long(name, counted, n_rows)
            yield from _above(name, counted, 0)
    if record.macs_beside and not record.training_macs:
        yield "macs_beside: without training_macs"
    if record.classes:
        yield from _long("classes", record.classes, n)


def _names(record: Record) -> Iterator[str]:
    """Of the classes, where they are noted."""
    names = record.extra.get("class_names", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        yield "extra.class_names: no list of names"
    elif names and any(n not in range(len(names)) for group in record.classes for n in group):
        yield "extra.class_names: lacks a class"


def _facts(record: Record) -> Iterator[str]:
    """Those of the plain facts that are read."""
    for key in BESIDE:
        values = record.extra.get(key, [0])
        if not (isinstance(values, list) and values and all(map(_plain, values))):
            yield f"extra.{key}: no list of numbers"
    noted = record.extra.get("capacity", [0.0])  # older records of WSN lack it
    if not (isinstance(noted, list) and noted and all(map(_plain, noted))):
        yield "extra.capacity: no list of numbers"
    structured = record.extra.get("structured") or []
    if not isinstance(structured, list):
        yield "extra.structured: no list of networks"
    for i, layers in enumerate(structured):
        yield from _layers(f"extra.structured.{i}", layers)

    seconds = record.timings.get("train_s", [])
    if not (isinstance(seconds, list) and all(map(_plain, seconds))):
        yield "timings.train_s: no list of numbers"
    spent = record.timings.get("checkpoints") or dict.fromkeys(SPENT, 0)
    if not (isinstance(spent, dict) and all(_plain(spent.get(key)) for key in SPENT)):
        yield f"timings.checkpoints: not the numbers {', '.join(SPENT)}"


def _layers(field: str, layers: Any) -> Iterator[str]:
    if not (isinstance(layers, list) and layers):
        yield f"{field}: no list of layers"
        return
    for i, layer in enumerate(layers):
        try:
            LayerShape.model_validate(layer)
        except ValidationError as error:
            yield f"{field}.{i}: {first_problem(error)}"


def _long(field: str, values: list[Any], n: int) -> Iterator[str]:
    if len(values) != n:
        yield f"{field}: has {len(values)} entries, not {n}"


def _shares(field: str, values: Iterable[float | None]) -> Iterator[str]:
    for value in values:
        if value is not None and not 0 <= value <= 1:
            yield f"{field}: {value} is not between 0 and 1"


def _above(field: str, values: Iterable[int], least: int) -> Iterator[str]:
    for value in values:
        if value < least:
            yield f"{field}: {value} is less than {least}"


def _plain(value: Any) -> bool:
    """A finite number of at least 0."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0
