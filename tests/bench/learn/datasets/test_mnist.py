"""MNIST's format: read whole, checked by md5; the small notMNIST is split by position."""

import hashlib

import numpy as np
import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATA_VARIABLE, DATASETS, data_root


def images(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10


def test_notmnist_reads_four_files_in_the_format_of_mnist(tmp_path, write_idx):
    train, test = images(40), images(20, seed=1)
    write_idx(tmp_path / "notMNIST" / "raw", "train", *train)
    write_idx(tmp_path / "notMNIST" / "raw", "t10k", *test)
    data = DATASETS["notmnist"].load(tmp_path)
    assert (data.train_images[:, 0].numpy() == train[0]).all()
    assert data.test_targets.tolist() == test[1].tolist()


def test_files_of_mnist_that_are_not_the_official_ones_are_refused(tmp_path, write_idx):
    folder = tmp_path / "MNIST" / "raw"
    write_idx(folder, "train", *images(10))
    write_idx(folder, "t10k", *images(10))
    md5 = hashlib.md5((folder / "train-images-idx3-ubyte").read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=f"train-images-idx3-ubyte is damaged: .*{md5}"):
        DATASETS["mnist"].load(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")]
)
def test_real_files_pass_their_check_and_have_the_stated_mean(name, folder):
    if not (data_root() / folder).exists():
        pytest.skip(f"no {name} under {data_root()}; set {DATA_VARIABLE}")
    data = DATASETS[name].load(data_root())
    assert data.train_images.shape == (60000, 1, 28, 28)
    pixels = data.train_images.double()
    assert pixels.mean() == pytest.approx(data.mean[0], abs=0.02)
    assert pixels.std() == pytest.approx(data.std[0], abs=0.02)


@pytest.mark.data
def test_small_notmnist_is_split_within_each_letter():
    if not (data_root() / "notMNIST-10k").exists():
        pytest.skip(f"no notMNIST-10k under {data_root()}; set {DATA_VARIABLE}")
    data = DATASETS["notmnist-10k"].load(data_root())
    assert data.train_targets.bincount().tolist() == [800] * 10
    assert data.test_targets.bincount().tolist() == [200] * 10
