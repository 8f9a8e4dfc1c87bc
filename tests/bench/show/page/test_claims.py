"""One sentence a claim, and no claim that the runs do not bear."""

import pytest

from cgap_bench.record.configuration import Claims
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.page.claims import sentences


@pytest.fixture
def runs(make_record, platform):
    """So many pairs of cgap and ewc whose differences alternate around a mean."""

    def made(n, mean, spread, claims):
        records = []
        for seed in range(n):
            gap = mean + (spread if seed % 2 else -spread)
            for method, base in (("cgap", 0.8 + gap), ("ewc", 0.8)):
                record = make_record(method, seed, (base,) * 3)
                config = record.config.model_copy(update={"claims": claims})
                records.append(record.model_copy(update={"config": config}))
        (one,) = comparisons(records, platform)
        return sentences(one)

    return made


def test_a_claim_has_its_interval_and_its_price(runs):
    # t_{.975,9} * s / sqrt(10) with s = 0.01 * sqrt(10 / 9): 0.754 points
    _, line = runs(10, 0.05, 0.01, Claims(primary="ewc"))
    assert "cgap is 5.00 points more accurate than ewc (primary)" in line
    assert "interval +4.25 to +5.75, 10 pairs, p < 0.001" in line
    assert "The difference is claimed." in line
    assert "It needs 100.0 % of the stored parameters, 100.0 % of the multiply-adds," in line


def test_few_pairs_are_no_claim(runs):
    _, line = runs(5, 0.05, 0.001, Claims(primary="ewc"))
    assert "no claim yet: 10 pairs are needed" in line
    assert "p = 0.0625 at best" in line  # of any five pairs
    assert line.count("p =") == 1
    assert "p <" not in line


def test_an_open_sign_is_said_to_be_open(runs):
    _, line = runs(10, 0.001, 0.02, Claims(primary="ewc"))
    assert "The sign of the difference is open." in line


def test_no_worse_than_the_margin(runs):
    _, line = runs(10, -0.001, 0.004, Claims(primary="ewc", margin=0.02))
    assert "no worse than by 2 points" in line


def test_what_was_not_named_is_a_screen_without_tests(runs):
    _, screen, line = runs(10, 0.05, 0.01, Claims())
    assert screen.startswith("No comparison was named in the recipe ([claims])")
    assert screen.endswith("a first look, not a test.")
    assert "p =" not in line
    assert "claimed" not in line


def test_what_was_named_and_not_run_is_told(runs):
    lines = runs(10, 0.05, 0.01, Claims(primary="ewc", confirmatory=("warm",)))
    assert lines[-1] == "Named before, but without two pairs of runs: warm."


def test_one_run_claims_nothing(make_record, platform):
    (one,) = comparisons([make_record("cgap"), make_record("ewc")], platform)
    first, line = sentences(one)
    assert "next is ewc with 80.00 %, too few runs to compare" in first
    assert "no interval, no claim" in line


def test_what_was_named_is_told_of_single_runs_however_many_others_there_are(
    make_record, platform
):
    methods = ["fixed", "joint", "warm", "ewc", "si", "gpm", "lwf", "cgap"]
    records = []
    for place, method in enumerate(methods):
        record = make_record(method, 0, (0.9 - 0.01 * place,) * 3)
        config = record.config.model_copy(update={"claims": Claims(primary="lwf")})
        records.append(record.model_copy(update={"config": config}))
    (one,) = comparisons(records, platform)
    *_, line = sentences(one)
    assert line.endswith(
        "Accuracies: fixed 90.00 %, joint 89.00 %, warm 88.00 %, ewc 87.00 %, lwf 84.00 %,"
        " cgap 83.00 %; 2 more in the table."
    )


def test_the_result_comes_first(some_records, platform):
    # cgap is 0.05 above ewc and 0.3 above fixed in each of three pairs
    (one,) = comparisons(some_records, platform)
    first, *_ = sentences(one)
    price = platform.price(some_records[0].networks[some_records[0].subnetworks[-1][0]])
    assert first.startswith(
        "Most accurate is cgap with 91.00 ± 2.48 %, 5.00 points more than ewc over 3 pairs of"
        " runs; the 95 % interval +5.00 to +5.00 does not include 0. One inference of it takes"
        f" {price['latency_ms']:.4f}"[:-1]
    )
    assert first.endswith("on ZCU102, 8 bit; it forgets 0.00 ± 0.00 points.")


def test_a_lead_that_may_be_chance_is_said_to_be_one(runs):
    first, *_ = runs(10, 0.001, 0.02, Claims())
    assert "includes 0: it may be chance" in first


def test_more_parameters_than_the_other_are_told_too(make_record, platform):
    records = [make_record(method, seed) for method in ("cgap", "ewc") for seed in range(3)]
    more = [r.model_copy(update={"stored_parameters": [900, 1800, 6000]}) for r in records[:3]]
    (one,) = comparisons([*more, *records[3:]], platform)
    assert "It needs 200.0 % of the stored parameters" in sentences(one)[-1]


@pytest.mark.parametrize(
    ("n", "spread", "said"),
    [
        # 0.25 = 2 / 2^3; six pairs are the fewest
        (
            3,
            0.01,
            "3 pairs cannot decide (an exact test of signs gives p = 0.25 at best); about 6 w",
        ),
        (
            5,
            0.09,
            "5 pairs cannot decide (an exact test of signs gives p = 0.0625 at best); about ",
        ),
        (6, 0.09, None),
    ],
)
def test_pairs_that_cannot_decide_say_how_many_would(runs, n, spread, said):
    line = runs(n, 0.05, spread, Claims())[-1]
    assert ("cannot decide" in line) == (said is not None)
    assert said is None or said in line
