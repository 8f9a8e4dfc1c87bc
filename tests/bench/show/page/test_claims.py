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
    (line,) = runs(10, 0.05, 0.01, Claims(primary="ewc"))
    assert "cgap is 5.00 points more accurate than ewc (primary)" in line
    assert "interval +4.25 to +5.75, 10 pairs, p < 0.001" in line
    assert "The difference is claimed." in line
    assert "100.0 ± 0.0 % of the multiply-adds" in line


def test_few_pairs_are_no_claim(runs):
    (line,) = runs(5, 0.05, 0.001, Claims(primary="ewc"))
    assert "no claim yet: 10 pairs are needed" in line


def test_an_open_sign_is_said_to_be_open(runs):
    (line,) = runs(10, 0.001, 0.02, Claims(primary="ewc"))
    assert "The sign of the difference is open." in line


def test_no_worse_than_the_margin(runs):
    (line,) = runs(10, -0.001, 0.004, Claims(primary="ewc", margin=0.02))
    assert "no worse than by 2 points" in line


def test_what_was_not_named_is_a_screen_without_tests(runs):
    first, line = runs(10, 0.05, 0.01, Claims())
    assert "Nothing was named" in first
    assert "p =" not in line
    assert "claimed" not in line


def test_what_was_named_and_not_run_is_told(runs):
    lines = runs(10, 0.05, 0.01, Claims(primary="ewc", confirmatory=("warm",)))
    assert lines[-1] == "Named before, but without two pairs of runs: warm."


def test_one_run_claims_nothing(make_record, platform):
    (one,) = comparisons([make_record("cgap"), make_record("ewc")], platform)
    (line,) = sentences(one)
    assert "no interval, no claim" in line
