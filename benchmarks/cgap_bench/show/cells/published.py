"""Published numbers, one TOML file a table of a paper, one cell a method of it."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import Field

from cgap_bench.errors import UnknownNameError
from cgap_bench.record.configuration import Settings


class Number(Settings):
    """What a table has for one method.

    Attributes:
        value: Mean, in percent.
        spread: As published, in points; what it is the source says.
        rerun: What LibContinual's own run gave (random order, no validation split).
        set: Settings that the plain run of the method lacks, as `--set` takes them.
        why_not: Why this one cannot be run, if so.
    """

    value: float
    spread: float | None = None
    rerun: float | None = None
    set: tuple[str, ...] = ()
    why_not: str = ""


class PublishedTable(Settings):
    """A table of a paper, or a part of it that was run alike.

    Attributes:
        source: Where the numbers stand.
        how: How they were read: ``code``, ``paper``, or ``fig`` off a figure.
        protocol: Name of the protocol.
        benchmark: Recipe that follows it.
        seeds: As `parse_seeds` reads them.
        tolerance: Points by which ours may differ.
        extra: Settings of all its runs.
        why_not: Why it cannot be run here, if so.
        presets: Preset -> method -> number.
    """

    source: str
    how: str
    protocol: str
    benchmark: str
    seeds: str
    tolerance: float = Field(gt=0)
    extra: tuple[str, ...] = ()
    why_not: str = ""
    presets: dict[str, dict[str, Number | float]]


class Cell(Settings):
    """One published number and the runs that are to give it.

    Attributes:
        name: ``TABLE/PRESET/METHOD``.
        table: Where it stands.
        preset: Of the recipe.
        method: Of ours.
        number: What was published.
    """

    name: str
    table: PublishedTable
    preset: str
    method: str
    number: Number

    @property
    def overrides(self) -> tuple[str, ...]:
        """All settings that differ from the preset; its own ones stand over the table's."""
        both = (*self.table.extra, *self.number.set)
        return tuple({text.partition("=")[0]: text for text in both}.values())

    @property
    def why_not(self) -> str:
        """Why it cannot be run here; empty where it can."""
        return self.number.why_not or self.table.why_not

    @property
    def command(self) -> str:
        """The command that makes its runs and compares them."""
        return f"cgap-cl reproduce {self.name}"


@cache
def cells() -> dict[str, Cell]:
    """Every cell by its name, in the order of the files."""
    folder = files("cgap_bench").joinpath("show", "cells")
    found: dict[str, Cell] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".toml"):
            continue
        table = PublishedTable.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        for preset, numbers in table.presets.items():
            for method, number in numbers.items():
                name = f"{file.name.removesuffix('.toml')}/{preset}/{method}"
                whole = number if isinstance(number, Number) else Number(value=number)
                found[name] = Cell(
                    name=name, table=table, preset=preset, method=method, number=whole
                )
    return found


def find_cell(name: str) -> Cell:
    """The cell of a name.

    Raises:
        UnknownNameError: There is none.
    """
    known = cells()
    if name not in known:
        raise UnknownNameError("cell", name, known)
    return known[name]
