"""Digits: a fixed and stratified split."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cgap_bench.learn.dataset import DATASETS
from cgap_bench.learn.datasets import digits

# Computed once from scikit-learn 1.9's digits; the split is by position, so it never changes.
DIGITS_TEST_SHA256 = "208645cd23e830184fd2fd044f441db9e420ba10f04e1caaee49bc0bb5941240"


def test_digits_split_is_fixed_and_stratified():
    data = DATASETS["digits"].load(Path("unused"))
    assert data.train_images.shape == (1442, 1, 8, 8)
    assert data.train_images.dtype == torch.uint8
    assert len(data.test_targets) == 355
    share = data.test_targets.bincount() / (
        data.test_targets.bincount() + data.train_targets.bincount()
    )
    assert share.min() > 0.19
    assert share.max() < 0.21
    digest = hashlib.sha256(data.test_images.numpy().tobytes()).hexdigest()
    assert digest == DIGITS_TEST_SHA256


@pytest.mark.parametrize("found", [True, False], ids=["its file", "another version"])
def test_rows_are_those_of_the_library(monkeypatch, found):
    if not found:
        monkeypatch.setattr(digits, "find_spec", lambda _: None)
    images, classes = load_digits(return_X_y=True)
    rows = digits._rows()
    assert np.array_equal(rows[:, :-1], images)
    assert np.array_equal(rows[:, -1], classes)
