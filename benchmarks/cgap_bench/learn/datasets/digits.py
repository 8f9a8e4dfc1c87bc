"""Scikit-learn's digits: the one dataset that needs no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData, without_test_split


def _digits(_root: Path) -> ImageData:
    """8x8 grey values 0-16; of each class every fifth image is for test."""
    rows = torch.from_numpy(_rows())
    images = rows[:, :-1].to(torch.uint8).view(-1, 1, 8, 8)
    return without_test_split(images, rows[:, -1].long())


def _rows() -> NDArray[np.float64]:
    """Pixels and class of each image, from the library's file: to import it takes a second."""
    library = find_spec("sklearn")
    for place in (library and library.submodule_search_locations) or ():
        file = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # another version keeps it elsewhere

    images, classes = load_digits(return_X_y=True)
    return np.column_stack([images, classes])


DATASETS.add("digits", Dataset(_digits, needs_download=False))
