"""The command that makes the runs of a table again."""

import shlex
import tomllib
from collections.abc import Collection, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from cgap_bench.record.identity import SECTIONS
from cgap_bench.record.record import Record
from cgap_bench.record.variants import methods_of, name_of

ORDER = "stream.order_seed="  # what each of `--orders` sets
TUNING = "results/tuning"  # where `cgap-cl tune` writes


def command_of(records: Sequence[Record], preset: str, rows: Collection[str]) -> str:
    """What makes these runs, or reads them if they are there.

    What was set beside the recipe is named where all runs have it, else only that there is
    some.

    Args:
        records: Of one benchmark and preset.
        preset: Its name.
        rows: Of their table.
    """
    methods = sorted({record.config.method for record in records})
    variants = {f"{r.config.method} ({r.config.variant})" for r in records}
    orders = _orders(records)
    told = [_set_beside(record, ORDER if orders else None) for record in records]
    common = [one for one in told[0] if all(one in others for others in told)]
    owners = {*SECTIONS, *methods}  # a run that is lost has no row, nor its method
    words = [
        f"cgap-cl run {recipe_of(records)} --preset {preset}",
        f"--methods {','.join(methods)} --seeds {_ranges({r.config.seed for r in records})}",
        *orders,
        *_without_variants(records, preset, variants),
        *_tuned(records, preset),
        *(f"--set {shlex.quote(one)}" for one in common if one.partition(".")[0] in owners),
        *_device(records),
    ]
    if set(rows) - set(methods) - variants:
        words.append("--set (what the names of the rows say)")
    elif any(len(others) > len(common) for others in told):
        words.append("--set (what was set for some of the runs)")
    if len({record.config.device for record in records}) > 1:
        words.append("--device (where some of the runs were)")
    return " ".join(words)


def recipe_of(records: Sequence[Record]) -> str:
    """What `cgap-cl run` is given to run their recipe: a name of ours, or a user's file."""
    told = {record.config.origin.file for record in records}
    if len(told) == 1 and (file := told.pop()):
        return file
    name = f"{records[0].config.benchmark}.toml"
    return name.removesuffix(".toml") if _ours(name).is_file() else name


def _ours(name: str) -> Traversable:
    return resources.files("cgap_bench").joinpath("recipes", name)


def _preset_of_ours(records: Sequence[Record], preset: str) -> dict[str, Any]:
    """What a recipe of ours says of the preset; nothing of a user's."""
    recipe = _ours(f"{recipe_of(records)}.toml")
    if not recipe.is_file():
        return {}
    presets = tomllib.loads(recipe.read_text(encoding="utf-8"))["presets"]
    return dict(presets.get(preset, {}))


def _without_variants(
    records: Sequence[Record], preset: str, rows: Collection[str]
) -> list[str]:
    """`--variants none`, where a preset of ours has some and none of them is a row."""
    table = _preset_of_ours(records, preset)
    methods = {record.config.method for record in records}
    names = {
        f"{method} ({name_of(one, method)})"
        for one in table.get("variants", ())
        for method in methods_of(one) & methods
    }
    return ["--variants none"] if names and not names & set(rows) else []


def _tuned(records: Sequence[Record], preset: str) -> list[str]:
    """`--tuned`, where settings are from a search that the preset does not name itself."""
    files = {record.config.tuning.file for record in records} - {""}
    if not files or "tuned" in _preset_of_ours(records, preset):
        return []
    if len(files) > 1:
        return ["--tuned (where settings are from)"]
    return [f"--tuned {shlex.quote(f'{TUNING}/{files.pop()}')}"]


def _set_beside(record: Record, but: str | None) -> list[str]:
    overrides = dict.fromkeys(record.config.overrides)
    return [one for one in overrides if but is None or not one.startswith(but)]


def _orders(records: Sequence[Record]) -> list[str]:
    """`--orders`, where each run has one beside its recipe, and each seed has had all."""
    pairs: dict[str, set[tuple[int, int]]] = {}
    for record in records:
        config = record.config
        for one in dict.fromkeys(config.overrides):
            if one.startswith(ORDER):
                row = f"{config.method} {config.variant}"
                pairs.setdefault(row, set()).add((config.seed, int(one.removeprefix(ORDER))))
    seeds = {record.config.seed for record in records}
    orders = {order for of_row in pairs.values() for _, order in of_row}
    rows = {f"{record.config.method} {record.config.variant}" for record in records}
    whole = {(seed, order) for seed in seeds for order in orders}
    all_of_them = bool(orders) and all(pairs.get(row) == whole for row in rows)
    return [f"--orders {_ranges(orders)}"] if all_of_them else []


def _device(records: Sequence[Record]) -> list[str]:
    """`--device`, where all runs were on another than the default."""
    told = {record.config.device for record in records}
    return [f"--device {told.pop()}"] if len(told) == 1 and "cpu" not in told else []


def _ranges(numbers: set[int]) -> str:
    """``"0-2"``, or ``"0,3"`` where some are missing in between."""
    first, last = min(numbers), max(numbers)
    if last > first and len(numbers) == last - first + 1:
        return f"{first}-{last}"
    return ",".join(str(number) for number in sorted(numbers))
