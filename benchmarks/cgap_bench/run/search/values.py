"""Values that a search tries, and the tables of a recipe that they become."""

from collections.abc import Iterator, Mapping
from typing import Any

from cgap_bench.record.searches import Values

LEARNING_RATE = "training.lr"
RATE = LEARNING_RATE.partition(".")[2]
Table = dict[str, Any]


def tables(method: str, values: Values) -> dict[str, dict[str, Table]]:
    """Values as the tables of a recipe, learning rates apart for each method."""
    changes: dict[str, dict[str, Table]] = {"training_of": {method: {}}, "method": {method: {}}}
    for key, value in values.items():
        owner, *path = key.split(".")
        table = changes["training_of" if owner == "training" else "method"][method]
        *parents, last = path
        for part in parents:
            table = table.setdefault(part, {})
        table[last] = value
    return {name: table for name, table in changes.items() if table[method]}


def leaves(table: Mapping[str, Any]) -> dict[str, Any]:
    """Values of nested tables by their dotted keys.

    >>> leaves({"growth": {"beta": 0.5}, "peak_ratio": 2.0})
    {'growth.beta': 0.5, 'peak_ratio': 2.0}
    """
    return dict(_leaves(table))


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
