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


TESTS = ("p of t (Holm)", "p of sign flips (Holm)", "p of 1 points worse or more (Holm)")


def pairs(make_record, n, claims=None):
    """So many pairs: cgap 10 points above ewc in all, above fixed in all but the first."""
    records = [
        make_record(method, seed, (level,) * 3)
        for seed in range(n)
        for method, level in (("cgap", 0.8), ("ewc", 0.7), ("fixed", 0.7 if seed else 0.9))
    ]
    return claiming(records, claims or Claims())


def test_only_what_was_named_before_has_p_values(make_record, platform):
    records = pairs(make_record, 10, Claims(primary="fixed", margin=0.01))
    table = Comparison(records, platform).difference_table
    assert [row[0] for row in table.rows] == ["fixed (primary)", "ewc"]
    # +8 points on the average of ten, s = 6.32, so t = 4 (p 0.0031), of -1: 4.5 (0.0007);
    # signs: all alike but the one (2 * (1 + 10) of 1024, the largest sums of ten 10s)
    assert cells(table, 0, *TESTS) == ("0.003", "0.021", "< 0.001")
    assert cells(table, 1, *TESTS) == ("screen",) * 3


def test_rows_that_were_named_count_in_holms_procedure(make_record, platform):
    records = pairs(make_record, 10, Claims(primary="fixed", confirmatory=("ewc",)))
    table = Comparison(records, platform).difference_table
    assert cells(table, 0, *TESTS[:2]) == ("0.003", "0.021")  # the larger of two stays
    assert cells(table, 1, *TESTS[:2]) == ("< 0.001", "0.004")  # 2 * 2 of 1024
    few = Comparison(records[:-1], platform).difference_table  # fixed has nine pairs
    assert cells(few, 0, *TESTS[:2]) == ("screen",) * 2
    assert cells(few, 1, *TESTS[:2]) == ("< 0.001", "0.004")


@pytest.mark.parametrize(
    ("n", "claims"), [(10, Claims()), (9, Claims(primary="fixed", margin=0.01))]
)
def test_without_a_claim_or_ten_pairs_a_table_is_a_screen(n, claims, make_record, platform):
    table = Comparison(pairs(make_record, n, claims), platform).difference_table
    assert [title for title in table.header if title.startswith("p")] == ["pairs", "p"]
    assert [cells(table, row, "p") for row in (0, 1)] == [("screen",)] * 2


def test_what_only_some_of_the_runs_set_out_to_show_is_no_claim(some_records, platform):
    named = claiming(some_records[:3], Claims(primary="fixed"))
    made = Comparison((*named, *some_records[3:]), platform)
    assert made.claims == Claims()
