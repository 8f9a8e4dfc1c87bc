"""Changes against the dense network: paired by seed, published figures beside them."""

import pandas as pd

from cgap_bench.show.beside.changes import changes


def frame(**columns):
    """Two seeds of the dense network and of CGaP, and one of a method without a pair."""
    rows = {
        "method": ["fixed", "fixed", "cgap", "cgap", "alone"],
        "seed": [0, 1, 0, 1, 7],
        "order": "null",
    }
    return pd.DataFrame(rows | columns)


RUNS = frame(
    accuracy=[0.90, 0.80, 0.91, 0.79, 0.5],
    parameters=[1000, 2000, 250, 500, 1],
    macs=[10.0, 10.0, 5.0, 6.0, 1.0],
)


def rows_of(table):
    return {row[0]: dict(zip(table.header[1:], row[1:], strict=True)) for row in table.rows}


def test_changes_are_paired_by_seed():
    rows = rows_of(changes(RUNS, "toy"))
    assert rows["cgap"]["accuracy [points]"].startswith("0.00 ± ")
    assert rows["cgap"]["parameters [%]"] == "-75.0"
    assert rows["cgap"]["MACs [%]"].startswith("-45.0 ± ")
    assert set(rows["alone"].values()) == {"-"}
    assert "fixed" not in rows


def test_published_figures_stand_below_ours_and_say_what_is_not_known():
    table = changes(RUNS, "cifar10")
    assert table.rows[-1] == ("published, ResNet-110", "-", "-64.0", "-63.3")


def test_without_a_dense_network_there_is_nothing_to_compare_with():
    assert changes(RUNS[RUNS["method"] != "fixed"], "toy") is None


def test_orders_of_classes_are_pairs_of_their_own():
    """Two seeds in two orders each; the last run of CGaP is still to be made."""
    seeds, orders = [0, 0, 1, 1], ["0", "1", "0", "1"]
    dense = pd.DataFrame({"seed": seeds, "order": orders, "accuracy": [0.9, 0.8, 0.7, 0.6]})
    grown = dense.iloc[[2, 0, 1]].assign(accuracy=[0.71, 0.91, 0.81])
    runs = pd.concat([dense.assign(method="fixed"), grown.assign(method="cgap")])
    assert rows_of(changes(runs, "toy"))["cgap"]["accuracy [points]"] == "+1.00"
