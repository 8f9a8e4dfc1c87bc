"""Records of older schemas in the words and the shape of the present one; every number stays.

Version 1 had no 8-bit accuracies. Version 2 held the settings of cgap in one flat table without
those that had come later, where they were at their defaults, and used other words for a few.
What later versions did not write down is added as the literal that those runs had.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import SCHEMA_VERSION, Record
from cgap_bench.record.store import read_content, record_paths, validated, write_record

Content = dict[str, Any]

MOVED = {  # setting of cgap in version 2 -> where it is now; others stay at the top
    "beta": "growth.beta",
    "grow_where": "growth.where",
    "capacity": "growth.capacity",
    "linear_capacity": "growth.linear_capacity",
    "capacities": "growth.capacities",
    "prune_where": "pruning.where",
    "floor": "pruning.floor",
    "grow_until": "phases.grow_until",
    "prune_from": "phases.prune_from",
    "prune_until": "phases.prune_until",
    "growth_events": "phases.growth_events",
    "pruning_steps": "phases.pruning_steps",
    "noise": "newborn.noise",
    "fan_out": "newborn.fan_out",
}
RENAMED = {"training.schedule": "training.lr_schedule"}
ABSENT: Content = {  # what version 2 left out of a record -> the value that the run had
    "align_weights": False,
    "capacities": {},
    "first_seed_ratio": None,
    "growth_patience": 2,
    "held_out_share": 0.0,
    "pruning_tolerance": None,
    "temperature": 2.0,
    "trial_iterations": 30,
}
NEWBORNS: dict[str, Content] = {  # as they were defined when version 2 was written
    "split": {"noise": 0.1, "fan_out": "halves"},
    "net2wider": {},
    "scaled-copy": {"sigma": 0.5, "mu": 0.1, "fan_out": "random"},
    "random": {"fan_out": "zero"},
    "gradmax": {"nudge": 0.01, "fan_out": "zero"},
}


def migrate(output: Path) -> dict[str, str]:
    """Rewrite all records of older schemas under an output folder.

    New files are complete before the first old one goes: broken off, it can be done again.

    Returns:
        Old -> new `run_id` of the records that were rewritten.

    Raises:
        UsageError: A record cannot be read or written.
    """
    contents = {path: read_content(path) for path in record_paths(output)}
    old = {path: c for path, c in contents.items() if c["schema_version"] < SCHEMA_VERSION}
    records = migrated(old)
    written = {write_record(record, output) for record in records.values()}

    for path in old.keys() - written:
        path.unlink()
    return {old[path]["run_id"]: record.run_id for path, record in records.items()}


def migrated(contents: Mapping[Path, Content]) -> dict[Path, Record]:
    """Records of an older schema in the present one, with new identities.

    A run that is sized by one that is not among them keeps the old identity in `depends_on`.

    Args:
        contents: File -> what it holds.

    Raises:
        UsageError: A record is not right.
    """
    new = {path: _content(content, path) for path, content in contents.items()}
    identities: dict[str, str] = {}
    # what others are sized by comes first, so that its identity is there when they need it
    for path in sorted(new, key=lambda path: new[path]["depends_on"] is not None):
        content = new[path]
        content["depends_on"] = identities.get(content["depends_on"], content["depends_on"])
        config = validated(content, path).config
        identity = run_id(config, content["depends_on"])
        identities[content["run_id"]] = content["run_id"] = identity
    return {path: validated(content, path) for path, content in new.items()}


def _content(old: Content, path: Path) -> Content:
    """One record in the present words, its identities still the old ones."""
    new: Content = {"accuracy_8bit": [], "depends_on": None, "history": []} | old
    new["schema_version"] = SCHEMA_VERSION
    try:
        new["config"] = _config(old["config"])
        new["history"] = [_renamed(entry, {"parent": "ancestor"}) for entry in new["history"]]
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a valid record of schema {old['schema_version']}: {error!r}"
        ) from error
    return new


def _config(old: Content) -> Content:
    new = dict(old)
    new["training"] = _renamed(old["training"], {"schedule": "lr_schedule"})
    if old["method"] == "cgap":
        new["method_settings"] = _cgap(old["method_settings"])
    own = RENAMED | (MOVED if old["method"] == "cgap" else {})
    changes = (change.partition("=") for change in old.get("variant", "").split())
    new["variant"] = " ".join(f"{own.get(key, key)}{eq}{value}" for key, eq, value in changes)
    return new


def _cgap(flat: Content) -> Content:
    """The settings of cgap, nested, with those that version 2 left out."""
    name = flat["newborn"]
    if name == "net2wider" and flat.get("fan_out"):  # it was a split in all but name
        name = "split"
        flat = {"noise": 0.0} | flat
    nested: Content = {"newborn": {"name": name} | NEWBORNS[name]}
    for key, value in (ABSENT | flat).items():
        if key == "newborn":
            continue
        part, dot, inner = MOVED.get(key, key).rpartition(".")
        if dot:
            nested.setdefault(part, {})[inner] = value
        else:
            nested[key] = value
    return nested


def _renamed(table: Content, words: Mapping[str, str]) -> Content:
    return {words.get(key, key): value for key, value in table.items()}
