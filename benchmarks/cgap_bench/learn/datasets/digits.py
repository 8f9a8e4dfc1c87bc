"""Scikit-learn's digits: the one dataset that needs no download."""

from pathlib import Path
from typing import Any

import torch

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData, without_test_split


def _digits(_root: Path) -> ImageData:
    """8x8 grey values 0-16; of each class every fifth image is for test."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    targets = torch.from_numpy(bunch.target).long()
    return without_test_split(images, targets)


DATASETS.add("digits", Dataset(_digits, needs_download=False))
