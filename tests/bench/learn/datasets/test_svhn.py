"""SVHN: the official MATLAB format, in which the digit 0 is stored as 10."""

import numpy as np
import pytest
from scipy.io import savemat

from cgap_bench.learn.dataset import DATASETS


@pytest.fixture
def tiny_svhn(tmp_path, monkeypatch):
    from torchvision.datasets import SVHN

    rng = np.random.default_rng(0)
    lists = {}
    for split, n in (("train", 30), ("test", 20)):
        name = f"{split}_32x32.mat"
        pixels = rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        labels = (np.arange(n, dtype=np.uint8) % 10 + 1)[:, None]
        savemat(tmp_path / name, {"X": pixels, "y": labels})
        lists[split] = ["", name, _md5(tmp_path / name)]
    monkeypatch.setattr(SVHN, "split_list", SVHN.split_list | lists)
    return tmp_path


def _md5(path):
    import hashlib

    return hashlib.md5(path.read_bytes()).hexdigest()


def test_svhn_reads_the_official_format(tiny_svhn):
    from scipy.io import loadmat

    data = DATASETS["svhn"].load(tiny_svhn)
    raw = loadmat(tiny_svhn / "train_32x32.mat")
    assert data.train_images.shape == (30, 3, 32, 32)
    assert data.test_targets.tolist() == [*range(1, 10), 0, *range(1, 10), 0]
    assert (data.train_images[3].numpy() == raw["X"][..., 3].transpose(2, 0, 1)).all()
