"""Verdicts: which records are runs of a cell, and what is said of them."""

import pytest

from cgap_bench.record.configuration import Optimizer
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.show.cells.published import Cell, Number, PublishedTable, cells
from cgap_bench.show.cells.verdict import Verdict, is_run_of, outcome, table_of_cells

WSNS_OWN = ("packnet", "supsup", "wsn", "joint")  # of its table on superclasses


@pytest.fixture
def cell():
    table = PublishedTable(
        source="somebody",
        how="paper",
        protocol="P",
        benchmark="toy",
        seeds="0-4",
        tolerance=1.0,
        presets={},
    )
    number = Number(value=70.0, set=("ewc.strength=3",))
    return Cell(
        name="toy/standard/ewc", table=table, preset="standard", method="ewc", number=number
    )


@pytest.fixture
def runs(make_record):
    def made(*accuracies, strength=3.0):
        return [
            make_record("ewc", seed, (value,) * 3, method_settings={"strength": strength})
            for seed, value in enumerate(accuracies)
        ]

    return made


def test_a_run_of_a_cell_has_its_settings(cell, runs, make_record):
    assert is_run_of(cell, runs(0.7)[0])
    assert not is_run_of(cell, runs(0.7, strength=4.0)[0])
    assert not is_run_of(cell, make_record("fixed"))
    assert not is_run_of(cell, make_record("ewc", preset="other"))


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((), Verdict.NOT_RUN),
        ((0.7,) * 4, Verdict.FEW),
        ((0.69, 0.70, 0.71, 0.72, 0.71), Verdict.VERIFIED),
        ((0.40, 0.60, 0.66, 0.72, 0.80), Verdict.WITHIN_INTERVAL),
        ((0.75, 0.75, 0.75, 0.76, 0.75), Verdict.ABOVE),
        ((0.60, 0.61, 0.60, 0.61, 0.60), Verdict.BELOW),
    ],
)
def test_the_verdict_follows_tolerance_interval_and_number_of_runs(
    cell, runs, accuracies, verdict
):
    assert outcome(cell, runs(*accuracies)).verdict is verdict


def test_of_several_settings_the_most_numerous_runs_count(cell, runs, make_record):
    other = [make_record("ewc", 9, (0.9,) * 3, epochs=7, method_settings={"strength": 3.0})]
    made = outcome(cell, [*other, *runs(*(0.7,) * 5)])
    assert (made.ours.n, made.verdict) == (5, Verdict.VERIFIED)


def test_a_cells_own_setting_stands_over_that_of_its_table(cell):
    table = cell.table.model_copy(update={"extra": ("training.lr=1", "ewc.strength=1")})
    own = cell.model_copy(update={"table": table})
    assert own.overrides == ("training.lr=1", "ewc.strength=3")


def training_of(cell):
    """Of its runs."""
    name, recipe = load_recipe(cell.table.benchmark)
    return resolve(name, recipe, cell.preset, cell.overrides).config(cell.method, 0).training


@pytest.mark.parametrize("name", [name for name in cells() if "wsn" in name])
def test_runs_that_wsns_authors_made_train_as_theirs(name):
    cell = cells()[name]
    training = training_of(cell)
    copied = name.startswith("wsn-superclass") and cell.method not in WSNS_OWN
    adam = not copied and name != "wsn-pmnist/task/gpm"
    expected = (Optimizer.ADAM, 1e-3) if adam else (Optimizer.SGD, 0.01)
    assert (training.optimizer, training.lr) == expected


def test_the_table_has_a_row_for_every_cell_and_says_why_one_was_not_run():
    table = table_of_cells([])
    assert [row[0] for row in table.rows] == list(cells())
    five = next(row for row in table.rows if row[0] == "five-datasets/full/wsn")
    assert five[2:] == (
        "93.41",
        "-",
        "-",
        "0",
        "-",
        "cannot be run here: SVHN and the whole of notMNIST are needed",
    )
