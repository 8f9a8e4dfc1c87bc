"""Settings that are gone: records made with them are read and compared, and made no more.

What earned nothing in the ablation was removed from the method. A run that used it keeps its
identity and its place in the tables; asked for again, it is refused by the name of the last
revision that could make it. Only what comes back is taken off these lists.
"""

from collections.abc import Mapping
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.identity import distinguishing

# Settings that no method has any more -> the last revision that had them; their values in
# `NOTHING_CHANGED` were their defaults.
WITH_TRUNKS, WITH_HEADS_FIRST = "412adc2cbe65", "608d47449b81"
SETTINGS: Mapping[str, str] = {
    "cgap.align_weights": WITH_TRUNKS,
    "cgap.distillation": WITH_TRUNKS,
    "cgap.first_seed_ratio": WITH_TRUNKS,
    "cgap.growth_patience": WITH_TRUNKS,
    "cgap.held_out_share": WITH_TRUNKS,
    "cgap.head_epochs": WITH_HEADS_FIRST,
    "cgap.lateral_keep": WITH_TRUNKS,
    "cgap.pruning_tolerance": WITH_TRUNKS,
    "cgap.temperature": WITH_TRUNKS,
    "cgap.trial_iterations": WITH_TRUNKS,
    "cgap.trunk_blocks": WITH_TRUNKS,
    "shaped-warm.head_epochs": WITH_HEADS_FIRST,
    "warm.head_epochs": WITH_HEADS_FIRST,
}
# Values that settings no longer take; `WITH_TRUNKS` had them all.
VALUES: Mapping[str, tuple[str, ...]] = {
    "cgap.growth.where": ("priced", "random"),
    "cgap.inherit": ("best", "first"),
    "cgap.newborn": ("gradmax", "net2wider", "scaled-copy"),
    "cgap.newborn.fan_out": ("random",),
    "cgap.newborn.name": ("gradmax", "net2wider", "scaled-copy"),
    "cgap.pruning.where": ("priced", "random"),
    "cgap.score": ("activation", "norm-taylor", "taylor"),
}
# Notes of a history that are no longer taken -> what they say where nothing was done.
NOTES: Mapping[str, Any] = {"lateral_inputs": 0, "trunk": []}


def retired(config: RunConfig) -> list[str]:
    """What this version cannot run any more of a configuration, as overrides."""
    own = distinguishing(config)["method_settings"]
    flat = {f"{config.method}.{key}": value for key, value in _flat(own)}
    return [f"{key}={value}" for key, value in flat.items() if is_retired(key, value)]


def is_retired(key: str, value: Any) -> bool:
    """Whether a setting, as `--set` takes it, is gone or has a value that is."""
    return key in SETTINGS or value in VALUES.get(key, ())


def refuse(key: str, value: Any) -> None:
    """Say where a setting that is gone can still be run.

    Raises:
        UsageError: It is gone, or this value of it.
    """
    if is_retired(key, value):
        raise UsageError(
            f"{key}={value} is retired: nothing was gained by it (cgap_cl/README.md)."
            f" Its records are read; revision {SETTINGS.get(key, WITH_TRUNKS)} was the last to"
            " make them"
        )


def refuse_all(method: str, settings: Mapping[str, Any]) -> None:
    """The same for what a recipe says of a method, in nested tables.

    Raises:
        UsageError: As `refuse`.
    """
    for key, value in _flat(settings):
        refuse(f"{method}.{key}", value)


def comparable(config: RunConfig, history: list[dict[str, Any]]) -> dict[str, Any]:
    """What equal runs have in common whose programs had other settings and notes."""
    named = config.model_dump(mode="json", include={"variant", "claims"})
    noted = [
        {k: v for k, v in entry.items() if k not in NOTES or v != NOTES[k]} for entry in history
    ]
    return {"config": distinguishing(config) | named, "history": noted}


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """``{"growth": {"beta": 0.3}}`` -> ``[("growth.beta", 0.3)]``."""
    leaves: list[tuple[str, Any]] = []
    for name, value in table.items():
        inner = isinstance(value, Mapping) and value
        leaves += _flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return leaves
