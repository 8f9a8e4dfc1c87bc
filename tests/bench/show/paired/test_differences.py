"""CGaP against the others: paired by seed and order, tested where it was named before."""

import pytest

from cgap_bench.record.configuration import Claims
from cgap_bench.show import derive
from cgap_bench.show.comparison import Comparison
from cgap_bench.show.paired.differences import differences, paired


def cells(table, row, *titles):
    return tuple(table.rows[row][table.header.index(title)] for title in titles)


def test_differences_are_paired_by_seed(some_records, make_record, platform):
    alone = make_record("once", seed=2)
    table = differences(derive.runs_frame([*some_records, alone], platform))
    assert table.header[0] == "cgap against"
    # the seeds shift both methods alike, so the paired difference has no spread
    assert table.rows[0][:3] == ("ewc", "3", "+5.00 ± 0.00")
    assert table.rows[1][:3] == ("fixed", "3", "+30.00 ± 0.00")
    p_values = ("p of t (Holm)", "p of sign flips (Holm)")
    # three pairs of one sign: 2 of 8 choices of signs; twice that by Holm, then no less
    assert [cells(table, row, *p_values) for row in (0, 1)] == [("< 0.001", "0.500")] * 2
    assert cells(table, 1, "median [points]", "each pair [points]") == (
        "+30.00",
        "+30.0 +30.0 +30.0",
    )
    assert cells(table, 1, "any one left out [points]") == ("+30.00 to +30.00",)


def test_no_differences_without_pairs(make_record, platform):
    runs = derive.runs_frame([make_record("cgap"), make_record("ewc")], platform)
    assert differences(runs) is None
    assert differences(derive.runs_frame([make_record("ewc")], platform)) is None


def in_order(record, order):
    stream = record.config.stream.model_copy(update={"order_seed": order})
    config = record.config.model_copy(update={"stream": stream})
    return record.model_copy(update={"config": config, "run_id": f"{record.run_id}{order}"})


def test_orders_are_a_factor_of_their_own_and_pair_runs(make_record, platform):
    records = [
        in_order(make_record(method, final=(level + 0.05 * order,) * 3), order)
        for method, level in (("cgap", 0.8), ("ewc", 0.7))
        for order in (0, 1, 2)
    ]
    runs = derive.runs_frame(records, platform)
    assert set(runs["method"]) == {"cgap", "ewc"}  # orders do not part rows
    result = paired(runs, "accuracy")["ewc"]
    assert result.difference.n == 3
    assert result.values == pytest.approx((0.1, 0.1, 0.1))


def claiming(records, claims):
    return tuple(
        record.model_copy(
            update={"config": record.config.model_copy(update={"claims": claims})}
        )
        for record in records
    )


def test_only_what_was_named_before_has_p_values(some_records, platform):
    claims = Claims(primary="fixed", margin=0.01)
    made = Comparison(claiming(some_records, claims), platform)
    table = made.difference_table
    assert [row[0] for row in table.rows] == ["fixed (primary)", "ewc"]
    titles = (
        "p of t (Holm)",
        "p of sign flips (Holm)",
        "p of 1 points worse or more (Holm)",
    )
    assert cells(table, 0, *titles) == ("< 0.001", "0.250", "< 0.001")
    assert cells(table, 1, *titles) == ("-", "-", "-")


def test_what_only_some_of_the_runs_set_out_to_show_is_no_claim(some_records, platform):
    named = claiming(some_records[:3], Claims(primary="fixed"))
    made = Comparison((*named, *some_records[3:]), platform)
    assert made.claims == Claims()
