"""The table on a terminal: nothing cut off."""

import io

import pytest
from rich.console import Console

from cgap_bench.record.record import Outcome
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.terminal import terminal_table
from cgap_hw import load_board

BOARD = "zcu102"


@pytest.mark.parametrize("columns", [80, 200])
def test_every_column_and_unit_is_on_the_terminal(make_record, columns):
    """Also in the narrow table, where intervals stand below their means."""
    records = [
        make_record(method, seed, (0.9, 0.8, 0.7 + 0.1 * seed)).model_copy(
            update={"accuracy_8bit": [0.9, 0.8, 0.6]}
        )
        for method in ("cgap", "independent")
        for seed in (0, 1)
    ]
    config = records[0].config.model_copy(
        update={"variant": "price=latency target_price=0.038"}
    )
    records.append(records[0].model_copy(update={"config": config}))
    (made,) = comparisons(records, Platform(load_board(BOARD)))
    console = Console(width=columns, file=io.StringIO(), force_terminal=False)
    console.print(terminal_table(made, columns))
    text = console.file.getvalue()
    assert "…" not in text
    name = "".join(line[:17] for line in text.splitlines()).replace(" ", "")
    assert "cgap(price=latencytarget_price=0.038)" in name or columns > 80
    for word in (
        "accuracy",
        "8",
        "forgetting",
        "[points]",
        "[ms]",
        "[mJ]",
        "meters",
        "linear",
        "latency",
    ):
        assert word in text


def test_runs_that_diverged_are_told_below_the_table(make_record):
    """In a column of a narrow table they would take a dozen lines."""
    part = {"accuracy": [], "networks": {}, "subnetworks": [], "stored_parameters": []}
    place = Outcome(experience=1, epoch=2, batch=3)
    lost = make_record("ewc", 3).model_copy(update=part | {"outcome": place})
    (made,) = comparisons([make_record(), lost], Platform(load_board(BOARD)))
    console = Console(width=80, file=io.StringIO())
    console.print(terminal_table(made, 80))
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert "ewc: seed 3 diverged in experience 1, epoch 2, batch 3" in lines
    assert "training.lr" in lines[-1]
