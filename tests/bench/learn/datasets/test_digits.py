"""Digits: a fixed and stratified split."""

import hashlib
from pathlib import Path

import torch

from cgap_bench.learn.dataset import DATASETS

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
