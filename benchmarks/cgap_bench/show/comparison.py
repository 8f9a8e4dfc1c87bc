"""All runs of one benchmark and preset side by side: text, tables and figures of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import pandas as pd

from cgap_bench.errors import UnknownNameError
from cgap_bench.record.class_names import tasks_of
from cgap_bench.record.configuration import Claims, Split
from cgap_bench.record.record import Record
from cgap_bench.record.retired import retired
from cgap_bench.show import derive, stats, tables
from cgap_bench.show.beside import changes, learning, searched
from cgap_bench.show.columns import TableColumn, present
from cgap_bench.show.derive import Platform
from cgap_bench.show.paired.differences import differences, paired
from cgap_bench.show.text.command import command_of
from cgap_bench.show.versions import Version, versions

INTERVAL_NOTE = (
    "± is the half-width of the 95 % t interval over seeds, without the cost model's own error;"
    " a cost without it is the same in every run."
)


@dataclass(frozen=True)
class Comparison:
    """The runs of one benchmark and preset, priced on one platform.

    Attributes:
        records: Of those that came to their end: numbers are of them.
        platform: What inference is priced on.
        lost: Of those that diverged.
        versions: Of a network and dataset that others under their name are not.
    """

    records: tuple[Record, ...]
    platform: Platform
    lost: tuple[Record, ...] = ()
    versions: tuple[Version, ...] = ()

    @property
    def name(self) -> str:
        """Stem of every file made from it."""
        return "-".join([self.plain_name, *(one.fingerprint for one in self.versions)])

    @property
    def plain_name(self) -> str:
        """The same, had its network and dataset never changed."""
        return f"{self.benchmark}-{self.preset}"

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.records[0].config.benchmark

    @property
    def preset(self) -> str:
        """Name of the preset."""
        return self.records[0].config.preset

    @property
    def stream(self) -> str:
        """What was run, for the titles of figures about accuracy alone."""
        held_out = self.records[0].config.stream.score_on is Split.HELD_OUT
        scored = ", scored on held-out training images" if held_out else ""
        return f"{self.heading}{scored}"

    @property
    def heading(self) -> str:
        """Benchmark, preset, and the versions of what changed between its runs."""
        return ", ".join([self.benchmark, f"preset {self.preset}", *map(str, self.versions)])

    @property
    def title(self) -> str:
        """What was run and what it is priced on."""
        return f"{self.stream}, {self.platform.title}"

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return derive.runs_frame(self.records, self.platform, self.labels)

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row a (run, experience, task)."""
        return derive.tasks_frame(self.records, self.labels)

    @cached_property
    def prices(self) -> dict[str, dict[str, float]]:
        """Hash of a network -> what one inference costs, for all that tasks end with."""
        networks = {
            key: record.networks[key]
            for record in self.records
            for key in record.subnetworks[-1]
        }
        return {key: self.platform.price(layers) for key, layers in networks.items()}

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a method."""
        return tables.summarise(self.runs)

    @cached_property
    def table(self) -> tables.Table:
        """The comparison table; below the numbers, what has none."""
        table = tables.comparison(self.summary)
        no_numbers = ("-",) * (len(table.header) - 1)
        rows = [(said, *no_numbers) for said in self.diverged]
        return tables.Table(table.header, (*table.rows, *rows))

    @cached_property
    def diverged(self) -> list[str]:
        """A line on each row of which runs diverged."""
        if not self.lost:
            return []
        names = derive.labels([*self.records, *self.lost])
        outcomes: dict[str, list[str]] = {}
        for record in self.lost:
            of_row = outcomes.setdefault(names[record.run_id], [])
            of_row.append(f"seed {record.config.seed} {record.outcome}")
        return [f"{name}: {'; '.join(said)}" for name, said in outcomes.items()]

    @cached_property
    def labels(self) -> dict[str, str]:
        """run_id -> the row that it belongs to."""
        return derive.labels(self.records)

    @property
    def columns(self) -> tuple[TableColumn, ...]:
        """The columns of the comparison table, but for the method's name."""
        return present(self.summary)

    @cached_property
    def difference_table(self) -> tables.Table | None:
        """CGaP against the others, paired by seed and order."""
        return differences(self.runs, self.claims)

    @cached_property
    def changes(self) -> tables.Table | None:
        """What methods save of the dense network, where there is a single experience."""
        if self.records[0].config.stream.n_experiences > 1:
            return None
        return changes.changes(self.runs, self.benchmark)

    @cached_property
    def learnt(self) -> learning.Learning | None:
        """What methods learn on the way; none where there is a single experience."""
        return learning.learning(self.records, self.labels)

    @cached_property
    def experiences(self) -> pd.DataFrame:
        """One row a (run, experience): scores and prices so far."""
        return learning.experiences_frame(self.records, self.platform, self.labels)

    @cached_property
    def settings(self) -> tables.Table | None:
        """Where the settings of each row are from; none where nothing was searched."""
        return searched.settings_table(self.records, self.labels, self.runs)

    @property
    def claims(self) -> Claims:
        """What the recipe named before the runs, as far as all of them were made under it."""
        named = {record.config.claims for record in self.records}
        return named.pop() if len(named) == 1 else Claims()

    @cached_property
    def pairs(self) -> dict[str, stats.PairedDifference]:
        """The same, as numbers."""
        return paired(self.runs, "accuracy")

    @property
    def command(self) -> str:
        """The command that makes these runs, or reads them if they are there."""
        return command_of(self.records, self.preset, set(self.summary["method"]))

    @property
    def tasks_in_words(self) -> list[str]:
        """A line on the classes of each task; none where runs differ or do not say."""
        told = {tuple(tasks_of(record)) for record in self.records}
        only = told.pop() if len(told) == 1 else ()
        if len(set(only)) == 1 and len(only) > 1:  # the same classes, seen otherwise
            return []
        return [f"task {i}: {classes}" for i, classes in enumerate(only, start=1)]

    @property
    def description(self) -> str:
        """What a recipe of a user's own says of itself, as far as all runs are of one."""
        told = {record.config.origin.description for record in self.records}
        return told.pop() if len(told) == 1 else ""

    @property
    def retired(self) -> dict[str, str]:
        """Rows that are read and made no more, with the revisions that made them."""
        rows: dict[str, set[str]] = {}
        for record in self.records:
            if retired(record.config):
                revision = str(record.environment.get("revision"))
                rows.setdefault(self.labels[record.run_id], set()).add(revision)
        return {name: ", ".join(sorted(rows[name])) for name in sorted(rows)}

    @property
    def caption(self) -> str:
        """What the numbers of the table are."""
        n_seeds = sorted(set(self.summary["n_seeds"]))
        seeds = " to ".join(str(n) for n in dict.fromkeys((n_seeds[0], n_seeds[-1])))
        note = INTERVAL_NOTE if n_seeds[-1] > 1 else "One run says nothing about the spread."
        training = searched.training_words(self.records)
        return f"{self.title}; {training}runs per method: {seeds}. {note}"

    def cell(self, method: str, column: str) -> str:
        """One formatted number of the table, without its unit.

        Raises:
            UnknownNameError: There is no such method or column in the table.
        """
        columns = {one.key: one for one in self.columns}
        if column not in columns:
            raise UnknownNameError("column", column, columns)
        _, texts = tables.column_cells(self.summary, columns[column])
        return texts[self._row(method)]

    def share(self, method: str, other: str, column: str) -> str:
        """A method's mean as a percentage of another's, ``"34 %"``; ``"-"`` of nothing."""
        if column not in self.summary:
            raise UnknownNameError("column", column, self.summary.columns)
        values = self.summary[column]
        mine, theirs = float(values[self._row(method)]), float(values[self._row(other)])
        if not theirs or math.isnan(mine / theirs):
            return "-"
        return f"{100 * mine / theirs:.0f} %"

    def _row(self, method: str) -> int:
        """Position of a method in the summary."""
        methods = list(self.summary["method"])
        if method not in methods:
            raise UnknownNameError("method in the table", method, methods)
        return methods.index(method)


def comparisons(records: Iterable[Record], platform: Platform) -> list[Comparison]:
    """One comparison for every benchmark and preset of which a run came to its end, by name.

    Where a network or dataset of a user's own has changed between runs, one for each version.
    """

    def key(record: Record) -> tuple[str, str]:
        return record.config.benchmark, record.config.preset

    made = []
    for _, runs in groupby(sorted(records, key=key), key=key):
        group = list(runs)
        by_version: dict[tuple[Version, ...], list[Record]] = {}
        told = versions(group)
        for record in group:
            by_version.setdefault(told[record.run_id], []).append(record)
        for version in sorted(by_version):
            finished, lost = _parted(by_version[version])
            if finished:
                made.append(Comparison(finished, platform, lost, version))
    return made


def _parted(records: Sequence[Record]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Those that came to their end, and those that diverged."""
    finished = tuple(record for record in records if record.outcome is None)
    return finished, tuple(record for record in records if record.outcome is not None)
