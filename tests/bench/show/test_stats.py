"""Intervals and paired tests against published values and scipy's own tests."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from cgap_bench.show import stats

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def test_interval_from_the_t_table():
    # Three runs 1, 2, 3: s = 1, t_{0.975, 2} = 4.303 (any table), so 4.303 / sqrt(3).
    result = stats.estimate([1.0, 2.0, 3.0])
    assert result.mean == 2.0
    assert result.half_width == pytest.approx(4.303 / math.sqrt(3), abs=5e-4)
    assert (result.low, result.high, result.n) == (2 - result.half_width, result.high, 3)


@given(VALUES)
def test_interval_is_scipys(values):
    spread = np.std(values)
    result = stats.estimate(values)
    assert result.mean == pytest.approx(np.mean(values), abs=1e-9)
    if spread > 1e-6:
        low, high = reference.t.interval(
            0.95, len(values) - 1, np.mean(values), reference.sem(values)
        )
        assert (result.low, result.high) == pytest.approx((low, high), abs=1e-6)


def test_one_run_has_no_interval_and_equal_runs_none_to_speak_of():
    assert math.isnan(stats.estimate([0.3]).half_width)
    assert stats.estimate([0.1] * 3) == stats.Estimate(0.1, 0.0, 3)
    with pytest.raises(ValueError, match="no values"):
        stats.estimate([])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_paired_test_is_scipys(pairs):
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    result = stats.compare(left, right)
    differences = np.subtract(left, right)
    if np.std(differences) > 1e-6:
        expected = reference.ttest_rel(left, right).pvalue
        assert result.p_value == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert result.difference.mean == pytest.approx(differences.mean(), abs=1e-12)


def test_pairs_without_spread():
    assert stats.compare([0.5, 0.5], [0.5, 0.5]).p_value == 1.0
    assert stats.compare([0.5, 0.75], [0.25, 0.5]).p_value == 0.0
    assert math.isnan(stats.compare([0.5], [0.4]).p_value)
    with pytest.raises(ValueError, match="2 and 1 runs"):
        stats.compare([0.5, 0.5], [0.5])


def test_extremes_are_those_of_single_pairs():
    result = stats.compare([0.5, 0.75, 0.25], [0.25, 0.25, 0.5])
    assert (result.smallest, result.largest) == (-0.25, 0.5)


def test_holm_worked_example():
    # Three tests: .01 * 3, then .03 * 2, then .04 * 1 raised to the one before it.
    assert stats.holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    adjusted = stats.holm([0.2, math.nan, 0.01])
    assert adjusted[0] == pytest.approx(0.2)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]


# sums of eighths are exact: what of a sum counts as rounding is not the same in both
@given(st.lists(st.integers(-800, 800).map(lambda n: n / 8), min_size=2, max_size=7))
def test_sign_flips_are_scipys_permutation_test(values):
    expected = reference.permutation_test(
        (values,), lambda x: abs(x.sum()), permutation_type="samples", alternative="greater"
    ).pvalue
    assert stats.sign_flip_p(values) == pytest.approx(expected, abs=1e-9)


def test_five_pairs_can_never_be_significant_and_ten_can():
    assert stats.sign_flip_p([1.0, 2.0, 0.5, 3.0, 1.5]) == 2 / 32
    assert stats.sign_flip_p([1.0] * 10) == 2 / 1024
    assert math.isnan(stats.sign_flip_p([1.0]))
    with pytest.raises(ValueError, match="21 differences are too many"):
        stats.sign_flip_p([1.0] * 21)


def test_the_detectable_difference_is_found_in_four_of_five_experiments():
    shape = np.array([-1.3, -0.4, 0.0, 0.1, 0.6, 1.0, -0.2, 0.2])
    shift = stats.detectable(list(shape)) / np.std(shape, ddof=1)  # of unit normal pairs
    drawn = np.random.default_rng(0).normal(shift, 1.0, (20_000, len(shape)))
    found = reference.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.01)
    assert stats.detectable([0.1, 0.1]) == 0.0
    assert math.isnan(stats.detectable([0.1]))


def test_no_worse_is_scipys_one_sided_test_against_the_margin():
    values = [0.1, -0.3, 0.2, -0.1]
    expected = reference.ttest_1samp(values, -0.25, alternative="greater").pvalue
    assert stats.no_worse_p(stats.estimate(values), 0.25) == pytest.approx(expected)
    assert stats.no_worse_p(stats.estimate([-0.2] * 3), 0.1) == 1.0


def test_a_difference_says_what_it_rests_on():
    result = stats.compare([0.5, 0.75, 1.0], [0.25, 0.75, 0.25])
    assert result.values == (0.25, 0.0, 0.75)
    assert (result.smallest, result.median, result.largest) == (0.0, 0.25, 0.75)
    assert result.leave_one_out == (0.125, 0.5)


def test_pairs_needed_are_those_that_can_detect_the_mean():
    """Power by Cohen (1988): d = 0.5 in a paired t-test takes 34 pairs at 80 %."""
    values = [0.5 - (0.5**0.5) * 1.0, 0.5 + (0.5**0.5) * 1.0]  # mean 0.5, deviation 1
    assert stats.pairs_needed(values) == 34
    assert stats.pairs_needed([0.1, 0.1, 0.1]) == 6  # no spread: what signs need
    assert stats.pairs_needed([0.1, -0.1]) is None
    assert stats.pairs_needed([1.0, -0.99]) is None  # more than anybody runs


def test_all_distributions_are_imported_only_for_pairs():
    program = (
        "import sys; from cgap_bench.show import stats; assert stats.estimate([1, 2]).n == 2;"
        "assert 'scipy.stats' not in sys.modules; assert stats.detectable([1, 2, 4]) > 0;"
        "assert 'scipy.stats' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
