"""SVHN: the official MATLAB format, in which the digit 0 is stored as 10."""

import numpy as np
import pytest
from scipy.io import savemat

from cgap_bench.learn.dataset import DATASETS
from cgap_bench.run.experiences import train
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve


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


def test_its_recipe_trains_on_such_files(tiny_svhn):
    """Preset and methods as they are, but for the network and how long."""
    name, recipe = load_recipe("svhn")
    short = ("network.name=mlp", "network.width=0.05", "training.epochs=1")
    made = resolve(name, recipe, "quick", [*short, "stream.n_train_per_class=3"])
    record = train(made.config("fixed", 0), tiny_svhn)
    assert record.n_test == [20]
    assert len(record.accuracy) == 1
    assert record.config.training.holdout_share == pytest.approx(5000 / 73257, abs=1e-6)
