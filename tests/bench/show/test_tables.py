"""Tables and their renderings, against values computed by hand."""

import math

import pandas as pd
import pytest

from cgap_bench.show import derive, stats, tables
from cgap_bench.show.columns import COLUMNS


def test_summary_is_mean_and_interval_over_seeds(some_records, platform):
    summary = tables.summarise(derive.runs_frame(some_records, platform))
    assert list(summary["method"]) == ["cgap", "ewc", "fixed"]
    assert list(summary["n_seeds"]) == [3, 3, 3]
    expected = stats.estimate([0.9, 0.91, 0.92])
    assert summary["accuracy"][0] == pytest.approx(expected.mean)
    assert summary["accuracy_interval"][0] == pytest.approx(expected.half_width)
    assert summary["forgetting"][0] == 0.0
    assert summary["forgetting"][2] == pytest.approx((0.2 + 0.1) / 2)


def test_a_method_seen_only_at_the_end_has_no_forgetting(make_record, platform):
    nothing = [None] * 3
    record = make_record("joint", accuracy=[nothing, nothing, [0.9, 0.8, 0.7]])
    summary = tables.summarise(derive.runs_frame([record], platform))
    title, cells = tables.column_cells(summary, _column("forgetting"))
    assert (title, cells) == ("forgetting [points]", ["-"])


def _column(key):
    return next(one for one in COLUMNS if one.key == key)


def _summary(**columns):
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"method": [f"m{i}" for i in range(n)], "n_seeds": 3})
    for key, values in columns.items():
        frame[key] = [mean for mean, _ in values]
        frame[f"{key}_interval"] = [half for _, half in values]
    return frame


@pytest.mark.parametrize(
    ("key", "values", "title", "cells"),
    [
        (
            "accuracy",
            [(0.98765, 0.00432), (0.5, math.nan)],
            "accuracy [%]",
            ["98.77 ± 0.43", "50.00"],
        ),
        ("forgetting", [(-1e-9, 0.0)], "forgetting [points]", ["0.00 ± 0.00"]),
        (
            "macs",
            [(22.8e6, 0.1e6), (1.234e6, math.nan)],
            "MACs [M]",
            ["22.80 ± 0.10", "1.23"],
        ),
        ("parameters", [(6_534_000, 0.0)], "parameters [M]", ["6.53"]),
        ("parameters", [(900, 12.0)], "parameters", ["900 ± 12"]),
        (
            "latency_ms",
            [(0.0123, 0.0004), (1.5, 0.1)],
            "latency [ms]",
            ["0.0123 ± 0.0004", "1.5000 ± 0.1000"],
        ),
    ],
)
def test_formatting(key, values, title, cells):
    assert tables.column_cells(_summary(**{key: values}), _column(key)) == (title, cells)


def test_markdown_is_one_aligned_row_a_method():
    table = tables.Table(("method", "MACs [M]"), (("cgap", "1.2"), ("fixed-equal", "10.0")))
    assert table.markdown().splitlines() == [
        "| method      | MACs [M] |",
        "| ----------- | -------: |",
        "| cgap        |      1.2 |",
        "| fixed-equal |     10.0 |",
    ]


def test_latex_escapes_what_latex_reads():
    table = tables.Table(("method", "accuracy [%]"), (("ewc (a_b=1)", "98.0 ± 0.1"),))
    assert table.latex().splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"method & accuracy [\%] \\",
        r"\midrule",
        r"ewc (a\_b=1) & 98.0 $\pm$ 0.1 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_every_column_is_derived(make_record, platform):
    record = make_record()
    networks = list(record.networks.values())
    extra = {"mask_bits": [8], "capacity": [0.5], "structured": networks}
    again = {"accuracy_8bit": [0.9, 0.6, 0.75], "accuracy_by_batch": [0.9, 0.9, 0.75]}
    record = record.model_copy(update=again | {"extra": extra})
    summary = tables.summarise(derive.runs_frame([record], platform))
    assert {column.key for column in COLUMNS} <= set(summary)
    assert summary["accuracy_8bit"][0] == pytest.approx(0.75)
    assert summary["accuracy_by_batch"][0] == pytest.approx(0.85)
    header = tables.comparison(summary).header
    assert [title.partition(" [")[0] for title in header[1:]] == [
        column.title for column in COLUMNS
    ]


def test_accuracy_at_8_bits_is_shown_where_it_was_measured(make_record, platform):
    old = make_record("ewc")
    new = make_record("cgap").model_copy(update={"accuracy_8bit": [0.9, 0.8, 0.6]})
    known = tables.comparison(tables.summarise(derive.runs_frame([old, new], platform)))
    place = known.header.index("accuracy, 8 bit [%]")
    assert [(row[0], row[1], row[place]) for row in known.rows] == [
        ("cgap", "80.00", "76.67"),
        ("ewc", "80.00", "-"),
    ]
    without = tables.comparison(tables.summarise(derive.runs_frame([old], platform)))
    assert "accuracy, 8 bit [%]" not in without.header
    wide = derive.Platform(platform.board, bits=16)
    assert "accuracy_8bit" not in derive.runs_frame([new], wide)
