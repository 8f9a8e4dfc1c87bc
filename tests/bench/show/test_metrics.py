"""Metrics of the accuracy matrix, against derivations by hand and against Avalanche's own."""

import math

import numpy as np
import pytest
from avalanche.evaluation.metrics.forgetting_bwt import BWT, Forgetting
from avalanche.evaluation.metrics.forward_transfer import ForwardTransfer
from hypothesis import given
from hypothesis import strategies as st

from cgap_bench.show import metrics

# Task 0 rises from .9 to .95 and falls to .7; task 1 falls from .8 to .6; task 2 ends at .5.
MATRIX = [[0.9, None, None], [0.95, 0.8, None], [0.7, 0.6, 0.5]]


@st.composite
def full_matrices(draw):
    n = draw(st.integers(2, 5))
    value = st.floats(0, 1, allow_nan=False)
    return [[draw(value) for _ in range(n)] for _ in range(n)]


def test_values_derived_by_hand():
    assert metrics.mean_accuracy(MATRIX) == pytest.approx((0.7 + 0.6 + 0.5) / 3)
    assert metrics.forgetting(MATRIX) == pytest.approx(((0.95 - 0.7) + (0.8 - 0.6)) / 2)
    assert metrics.backward_transfer(MATRIX) == pytest.approx((-0.2 - 0.2) / 2)
    assert metrics.learning_accuracy(MATRIX) == pytest.approx((0.9 + 0.8 + 0.5) / 3)


def test_gain_over_independent_networks():
    alone = [[0.9, None, None], [0.9, 0.7, None], [0.9, 0.7, 0.55]]
    assert metrics.gain_over(MATRIX, alone) == pytest.approx((0.1 - 0.05) / 2)
    with pytest.raises(ValueError, match="3 and 2 tasks"):
        metrics.gain_over(MATRIX, alone[:2])


def test_nothing_forgotten_is_exactly_zero():
    row = [0.1 + 0.2, 1 / 3, 0.7]
    matrix = [[row[0], None, None], [row[0], row[1], None], row]
    assert metrics.forgetting(matrix) == 0.0
    assert metrics.backward_transfer(matrix) == 0.0


@given(full_matrices())
def test_backward_transfer_is_avalanches(matrix):
    last = len(matrix) - 1
    theirs, forgetting = BWT(), Forgetting()
    for metric in (theirs, forgetting):
        for j in range(last):
            metric.update(j, matrix[j][j], initial=True)
            metric.update(j, matrix[last][j])
    ours = metrics.backward_transfer(matrix)
    assert ours == pytest.approx(np.mean(list(theirs.result().values())), abs=1e-12)
    assert -ours <= metrics.forgetting(matrix) + 1e-12  # the maximum includes the first value
    if last == 1:  # one earlier task, one earlier value: the two definitions coincide
        assert metrics.forgetting(matrix) == pytest.approx(forgetting.result()[0], abs=1e-12)


@given(full_matrices(), st.floats(0, 1))
def test_forward_transfer_is_avalanches(matrix, untrained):
    theirs = ForwardTransfer()
    for j in range(1, len(matrix)):
        theirs.update(j, untrained, initial=True)
        theirs.update(j, matrix[j - 1][j])
    ours = metrics.forward_transfer(matrix, [untrained] * len(matrix))
    assert ours == pytest.approx(np.mean(list(theirs.result().values())), abs=1e-12)


def test_what_was_measured_ahead_stands_above_the_diagonal():
    ahead = metrics.with_ahead(MATRIX, [0.3, 0.4, 0.35])
    assert ahead == [[0.9, 0.4, None], [0.95, 0.8, 0.35], [0.7, 0.6, 0.5]]
    assert metrics.with_ahead(MATRIX[:1], [0.3, 0.4, None]) == [[0.9, 0.4, None]]
    assert metrics.with_ahead(MATRIX, []) == MATRIX
    # (0.4 - 0.2 + 0.35 - 0.25) / 2
    assert metrics.forward_transfer(ahead, [0.3, 0.2, 0.25]) == pytest.approx(0.15)
    assert math.isnan(metrics.forward_transfer(ahead, [0.3, None, 0.25]))
    assert math.isnan(metrics.forward_transfer([[0.9]], [0.3]))
    with pytest.raises(ValueError, match="3 and 2 tasks"):
        metrics.forward_transfer(ahead, [0.3, 0.2])


def test_what_was_not_evaluated_is_undefined():
    only_last = [[None, None], [0.8, 0.6]]
    assert metrics.mean_accuracy(only_last) == pytest.approx(0.7)
    assert math.isnan(metrics.forgetting(only_last))
    assert math.isnan(metrics.backward_transfer(only_last))
    assert math.isnan(metrics.learning_accuracy(only_last))
    assert math.isnan(metrics.forward_transfer(MATRIX, [0.1, 0.1, 0.1]))


def test_one_experience_cannot_be_forgotten():
    assert metrics.mean_accuracy([[0.9]]) == 0.9
    assert math.isnan(metrics.forgetting([[0.9]]))


def test_intransigence_and_plasticity_by_hand():
    matrix = [[0.8, None, None], [0.6, 0.7, None], [0.5, 0.6, 0.6]]
    alone = [[0.9, None, None], [0.9, 0.8, None], [0.9, 0.8, 0.7]]
    # just learnt: 0.8, 0.7, 0.6; joint 0.9, 0.9, 0.6: (0.1 + 0.2 + 0) / 3
    assert metrics.intransigence(matrix, [0.9, 0.9, 0.6]) == pytest.approx(0.1)
    assert metrics.plasticity(matrix, alone) == pytest.approx(0.7 / 0.8)
    assert math.isnan(metrics.intransigence(matrix, [None, 0.9, 0.6]))
    with pytest.raises(ValueError, match="3 and 2 tasks cannot be compared"):
        metrics.plasticity(matrix, alone[:2])
