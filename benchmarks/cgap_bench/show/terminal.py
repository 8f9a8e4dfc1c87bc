"""The comparison table on a terminal."""

from itertools import compress

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from cgap_bench.record.plain import printable
from cgap_bench.show.comparison import Comparison


def terminal_table(comparison: Comparison, width: int) -> RichTable:
    """The comparison table for a terminal; intervals go below their means if it is narrow."""
    table = comparison.table
    wide = table.width <= width
    drawn = RichTable(
        title=Text(printable(comparison.title)),
        caption=Text("\n".join(map(printable, _below(comparison)))),
        box=box.SIMPLE_HEAD,
        padding=(0, 1 if wide else 0, 0, 0),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )

    first, *others = table.header
    drawn.add_column(first, no_wrap=wide, overflow="fold")  # names of variants are long
    shown = [wide or not column.spare for column in comparison.columns]
    for title, column in compress(zip(others, comparison.columns, strict=True), shown):
        heading = title.replace(column.title, column.heading(wide)).replace(" [", "\n[")
        drawn.add_column(Text(heading), justify="right", no_wrap=True)  # [ms] is no style

    for row in table.rows[: len(table.rows) - len(comparison.diverged)]:
        cells = compress(row, [True, *shown])
        plain = map(printable, cells)  # and no markup: [/b] may be part of a name
        drawn.add_row(*(Text(c if wide else c.replace(" ± ", "\n±")) for c in plain))
    return drawn


def _below(comparison: Comparison) -> list[str]:
    """The caption, and runs without numbers: too long for a table column that may be narrow."""
    diverged = comparison.diverged
    advice = ["A lower learning rate may help: --set training.lr=..."] if diverged else []
    return [comparison.caption, *diverged, *advice]
