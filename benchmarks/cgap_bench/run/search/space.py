"""What a search may set of a method: its learning rate, and the settings that it names."""

from collections.abc import Mapping
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.searches import Searched
from cgap_bench.run.keys import keys
from cgap_bench.run.search.tuned import Tuned
from cgap_bench.run.search.values import LEARNING_RATE, RATE, leaves

LR_FACTOR = 10.0  # learning rates from a tenth to ten times the recipe's


def space_of(config: RunConfig) -> tuple[dict[str, Searched], dict[str, float]]:
    """Ranges by dotted key, and where the recipe is in them.

    Ranges are wide enough for the recipe's values. A setting that has no value in the recipe
    (None: derived from something else) has none to start from.

    Args:
        config: Of the method in the recipe.
    """
    lr = config.training.lr
    space = {LEARNING_RATE: Searched(lr / LR_FACTOR, lr * LR_FACTOR)}
    start = {LEARNING_RATE: lr}
    for key, one in searched_settings(config.method).items():
        name, value = f"{config.method}.{key}", _value(config.method_settings, key)
        space[name] = one if value is None else one.around(value)
        if value is not None:
            start[name] = value
    return space, start


def searched_settings(method: str) -> dict[str, Searched]:
    """What a method says of itself is to be searched: dotted key -> range.

    Raises:
        UnknownNameError: There is no such method.
    """
    fields = keys(METHODS[method].settings)
    ranges = {
        key: [m for m in f.metadata if isinstance(m, Searched)] for key, f in fields.items()
    }
    return {key: one for key, found in ranges.items() for one in found}


def check_tuned(tuned: Tuned, benchmark: str) -> None:
    """Refuse what is no outcome of a search on a benchmark.

    A search has the same budget for every method, under the training of the recipe: what else a
    file sets of one method would go round that.

    Args:
        tuned: What a file holds.
        benchmark: Name of the recipe that is to be run.

    Raises:
        UsageError: It sets something that is not searched, or is of another benchmark.
    """
    for section, by_method in tuned.tables.items():
        for method, table in by_method.items():
            names = searched_settings(method)  # of an unknown method: fails
            allowed = {RATE} if section == "training_of" else names.keys()
            others = sorted(leaves(table).keys() - allowed)
            if others:
                raise UsageError(
                    f"{tuned.file}: {section}.{method} sets {', '.join(others)}, but"
                    " `cgap-cl tune` searches"
                    f" {', '.join([LEARNING_RATE, *(f'{method}.{name}' for name in names)])};"
                    " whatever else differs belongs in a recipe"
                )
    if tuned.search.benchmark != benchmark:
        raise UsageError(
            f"{tuned.file} was searched on {tuned.search.benchmark}, not on {benchmark}:"
            " settings of another benchmark belong in a recipe of your own"
        )


def _value(settings: Mapping[str, Any], key: str) -> float | None:
    """A nested value by its dotted key."""
    value: Any = settings
    for part in key.split("."):
        value = value[part]
    return None if value is None else float(value)
