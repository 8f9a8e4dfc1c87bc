"""Which run is it: a hash of the configuration, as stable as the numbers that it stands for.

A record holds every setting at its value, and the identity hashes what the record holds: a
default that changes makes another run. A setting that is added later, or removed, must not
change the identity of the runs that do without it: a line in `NOTHING_CHANGED` sees to that.
"""

import hashlib
import json
from typing import Any

from cgap_bench.record.configuration import RunConfig

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))  # what hashes are made of
# Of a configuration: change no number
UNTOLD = {"variant", "overrides", "claims", "origin", "tuning"}
SECTIONS = ("network", "stream", "training")  # of a configuration, beside the method's settings

# Key, as `--set` takes it -> the value at which a run is what it was before there was such a
# setting. Literals: never a library's present default, and never to be changed.
NOTHING_CHANGED: dict[str, Any] = {
    "cgap.align_weights": False,
    "cgap.distillation": 0.0,
    "cgap.first_seed_ratio": None,
    "cgap.growth.capacities": {},
    "cgap.growth.returning_capacity": 1.0,
    "cgap.growth_patience": 2,
    "cgap.head_epochs": 0.0,
    "cgap.held_out_share": 0.0,
    "cgap.lateral_keep": 0.5,
    "cgap.memory": 0,
    "cgap.perturb": 0.0,
    "cgap.pruning_tolerance": None,
    "cgap.recall": 0.3,
    "cgap.revisit": "new block",
    "cgap.shrink": 1.0,
    "cgap.temperature": 2.0,
    "cgap.trial_iterations": 30,
    "cgap.trunk_blocks": 0,
    "ewc.bounded": True,
    "ewc.fisher_batch": None,
    "ewc.fisher_images": None,
    "ewc.labels": "given",
    "ewc.own_channels": False,
    "fixed-equal.budget": "epochs",
    "fixed-equal.size": "macs",
    "fixed.own_channels": False,
    "gpm.first_threshold": None,
    "independent.budget": "epochs",
    "lwf.by_experiences": False,
    "piggyback.threshold": 0.005,
    "shaped-warm.budget": "epochs",
    "shaped-warm.head_epochs": 0.0,
    "shaped-warm.perturb": 0.0,
    "shaped-warm.shrink": 1.0,
    "shaped.budget": "epochs",
    "trgp.first_threshold": None,
    "warm.budget": "epochs",
    "warm.head_epochs": 0.0,
    "warm.perturb": 0.0,
    "warm.shrink": 1.0,
    "network.fingerprint": None,
    "stream.class_order": [],
    "stream.cut": "classes",
    "stream.fingerprint": None,
    "stream.largest_angle": 180.0,
    "stream.pixel_scale": "standard",
    "stream.scenario": "task",
    "stream.size": None,
    "stream.task_order": [],
    "stream.task_orders": [],
    "training.fused": False,
    "training.optimizer": "sgd",
    "training.precise_bn": False,
}


def distinguishing(config: RunConfig) -> dict[str, Any]:
    """What can tell a run from others, as JSON: without settings at which nothing changes."""
    content = config.model_dump(mode="json", exclude=UNTOLD)
    if content["method_fingerprint"] is None:
        del content["method_fingerprint"]
    for key, value in NOTHING_CHANGED.items():
        owner, *path = key.split(".")
        if owner in SECTIONS:
            _drop(content[owner], path, value)
        elif owner == config.method:
            _drop(content["method_settings"], path, value)
    return content


def run_id(config: RunConfig, depends_on: str | None = None) -> str:
    """Identity of a run: 12 hex digits over what can change its numbers.

    Args:
        config: The resolved configuration.
        depends_on: Identity of the run that this one is sized by, if any.
    """
    content = {"config": distinguishing(config), "depends_on": depends_on}
    return hashlib.sha256(CANONICAL.encode(content).encode()).hexdigest()[:12]


def _drop(table: dict[str, Any], path: list[str], value: Any) -> None:
    """Take a setting out of nested tables if it is there and has this value."""
    *parents, key = path
    for parent in parents:
        table = table.get(parent, {})
    if key in table and table[key] == value:
        del table[key]
