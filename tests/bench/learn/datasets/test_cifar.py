"""CIFAR: the official Python format, and superclasses in the order of coarse labels."""

import pickle

import pytest

from cgap_bench.learn.dataset import DATA_VARIABLE, DATASETS, data_root


def test_cifar100_reads_the_official_format(tiny_cifar100):
    data = DATASETS["cifar100"].load(tiny_cifar100)
    assert data.train_images.shape == (200, 3, 32, 32)
    assert data.n_classes == 100
    raw = pickle.loads((tiny_cifar100 / "cifar-100-python" / "train").read_bytes())["data"]
    assert (data.train_images[7].numpy() == raw[7].reshape(3, 32, 32)).all()


def test_superclasses_are_in_coarse_order_with_fine_labels_ascending(tiny_cifar100):
    groups = DATASETS["cifar100"].load(tiny_cifar100).groups
    assert groups == tuple(tuple(range(coarse, 100, 20)) for coarse in range(20))


@pytest.mark.data
def test_real_cifar100_passes_its_check():
    root = data_root()
    if not (root / "cifar-100-python").exists():
        pytest.skip(f"no CIFAR-100 under {root}; set {DATA_VARIABLE}")
    data = DATASETS["cifar100"].load(root)
    assert data.train_targets.bincount().tolist() == [500] * 100
    assert data.test_targets.bincount().tolist() == [100] * 100
    assert data.groups[0] == (4, 30, 55, 72, 95)  # aquatic mammals: beaver ... whale
    assert data.groups[19] == (41, 69, 81, 85, 89)  # vehicles 2: lawn mower ... tractor


@pytest.mark.data
def test_real_cifar10_passes_its_check():
    root = data_root()
    if not (root / "cifar-10-batches-py").exists():
        pytest.skip(f"no CIFAR-10 under {root}; set {DATA_VARIABLE}")
    data = DATASETS["cifar10"].load(root)
    assert data.train_targets.bincount().tolist() == [5000] * 10
    mean = data.train_images.double().mean((0, 2, 3))
    assert mean.tolist() == pytest.approx(data.mean, abs=0.06)
