"""What is learnt on the way: against references of the same seed, and step by step."""

import math

import pytest

from cgap_bench.show.beside.learning import experiences_frame, learning
from cgap_bench.show.comparison import comparisons

MINE = [[0.75, None], [0.5, 1.0]]
JOINT = [[None, None], [0.875, 1.0]]
ALONE = [[1.0, None], [1.0, 0.75]]


@pytest.fixture
def runs(make_record):
    def made(method, matrix, seed=0):
        record = make_record(method, seed=seed, final=(0.5, 1.0))
        return record.model_copy(update={"accuracy": matrix, "training_macs": [2000, 1000]})

    return made


def cells_of(table):
    return {row[0]: dict(zip(table.header[1:], row[1:], strict=True)) for row in table.rows}


def test_against_references_of_the_same_seed(runs):
    records = [runs("fixed", MINE), runs("joint", JOINT), runs("independent", ALONE)]
    cells = cells_of(learning(records).table)["fixed"]
    assert cells["when learnt [%]"] == "87.50"
    assert cells["backward transfer [points]"] == "-25.00"
    assert cells["intransigence [points]"] == "6.25"  # (0.875 - 0.75 + 1 - 1) / 2
    assert cells["plasticity [%]"] == "100.00"  # (0.75 + 1) / (1 + 0.75)
    assert cells["training MACs [k]"] == "3.00"


def test_what_is_counted_beside_batches_is_told_apart_from_older_records(runs):
    older = runs("fixed", MINE)
    counted = runs("ewc", MINE).model_copy(update={"macs_beside": [0, 1000]})
    told = learning([older, counted])
    cells = cells_of(told.table)
    assert cells["ewc"]["training MACs [k]"] == "4.00"
    assert cells["ewc"]["beside batches [%]"] == "25.00"
    assert cells["fixed"]["training MACs [k]"] == "3.00"
    assert cells["fixed"]["beside batches [%]"] == "-"
    assert not told.note
    assert "older than the count" in learning([older]).note


def test_forward_transfer_is_told_of_whom_it_was_measured(runs):
    ahead = {"accuracy_untrained": [0.5, 0.25], "accuracy_before": [0.5, 0.625]}
    told = learning([runs("fixed", MINE).model_copy(update=ahead), runs("joint", JOINT)])
    cells = cells_of(told.table)
    assert cells["fixed"]["forward transfer [points]"] == "37.50"
    assert cells["joint"]["forward transfer [points]"] == "-"


def test_a_reference_of_another_seed_is_none(runs):
    told = learning([runs("fixed", MINE), runs("joint", JOINT, seed=1)])
    assert {column.key for column in told.columns} == {
        *("learning_accuracy", "backward_transfer", "training_macs")
    }


def test_the_plain_run_is_the_reference_beside_its_variants(runs):
    plain = runs("independent", ALONE)
    varied = plain.model_copy(
        update={
            "run_id": "0" * 12,
            "config": plain.config.model_copy(update={"variant": "budget=training-macs"}),
            "accuracy": [[0.25, None], [0.25, 0.25]],
        }
    )
    cells = cells_of(learning([runs("fixed", MINE), plain, varied]).table)
    assert cells["fixed"]["plasticity [%]"] == "100.00"


def test_one_run_without_a_reference_leaves_its_row_without_a_number(runs):
    some = [runs("fixed", MINE), runs("fixed", MINE, seed=1), runs("joint", JOINT)]
    cells = cells_of(learning([*some, runs("ewc", MINE)]).table)
    assert cells["ewc"]["intransigence [points]"] == "6.25"
    assert cells["fixed"]["intransigence [points]"] == "-"


def test_experience_by_experience(runs, platform):
    frame = experiences_frame([runs("fixed", MINE)], platform)
    assert list(frame["experience"]) == [1, 2]
    assert list(frame["accuracy"]) == [0.75, 0.75]
    assert math.isnan(frame["forgetting"][0])
    assert frame["forgetting"][1] == 0.25
    assert list(frame["training_macs"]) == [2000, 1000]
    assert (frame["latency_ms"] > 0).all()
    assert (frame["latency_max_ms"] >= frame["latency_ms"]).all()


def test_what_learns_all_tasks_at_once_has_one_row(runs, platform):
    record = runs("joint", JOINT)
    late = record.model_copy(update={"subnetworks": [[], record.subnetworks[-1]]})
    assert list(experiences_frame([late], platform)["experience"]) == [2]


def test_it_stands_in_the_page_and_its_numbers_beside(some_records, platform, out):
    from cgap_bench.show.files import table_files

    [one] = comparisons(some_records, platform)
    made = {path.name: text for path, text in table_files(one, out).items()}
    assert "## What is learnt on the way" in made[f"{one.name}.md"]
    assert made[f"{one.name}-experiences.csv"].startswith("method,run,experience,accuracy")
