"""Datasets: fixed splits, data root, integrity, and what is said when files are missing."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn import datasets
from cgap_bench.learn.datasets import DATA_VARIABLE, DATASETS, data_root


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


# Computed once from scikit-learn 1.9's digits; the split is by position, so it never changes.
DIGITS_TEST_SHA256 = "208645cd23e830184fd2fd044f441db9e420ba10f04e1caaee49bc0bb5941240"


def test_data_root_is_option_then_variable_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "variable"))
    assert data_root(tmp_path / "option") == tmp_path / "option"
    assert data_root() == tmp_path / "variable"
    monkeypatch.delenv(DATA_VARIABLE)
    assert data_root() == Path.home() / ".cache" / "cgap-cl"


@pytest.fixture
def tiny_cifar(tmp_path, monkeypatch):
    """Files in the official format with 2 images of each of 100 classes, and their md5."""
    from torchvision.datasets import CIFAR100

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = [c for c in range(100) for _ in range(2)]
    for name in ("train", "test"):
        pixels = rng.integers(0, 256, (200, 3072), dtype=np.uint8)
        content = {"data": pixels, "fine_labels": labels}
        (folder / name).write_bytes(pickle.dumps(content))
    names = [str(c) for c in range(100)]
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}))
    md5 = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": md5["meta"]})
    return tmp_path


def test_cifar100_reads_the_official_format(tiny_cifar):
    data = DATASETS["cifar100"].load(tiny_cifar)
    assert data.train_images.shape == (200, 3, 32, 32)
    assert data.n_classes == 100
    raw = pickle.loads((tiny_cifar / "cifar-100-python" / "train").read_bytes())["data"]
    assert (data.train_images[7].numpy() == raw[7].reshape(3, 32, 32)).all()


def test_truncated_file_is_named_and_left_alone(tiny_cifar):
    path = tiny_cifar / "cifar-100-python" / "train"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"train is damaged: 1000 bytes with md5"):
        DATASETS["cifar100"].load(tiny_cifar)
    assert path.stat().st_size == 1000


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    with pytest.raises(UsageError) as caught:
        DATASETS["cifar100"].load(tmp_path)
    text = str(caught.value)
    assert "could not be downloaded (Name or service not known)" in text
    assert "--data-root FOLDER or CGAP_CL_DATA=FOLDER" in text
    assert "benchmarks on digits need no download" in text
    assert "\n" not in text


@pytest.mark.data
def test_real_cifar100_passes_its_check():
    root = data_root()
    if not (root / "cifar-100-python").exists():
        pytest.skip(f"no CIFAR-100 under {root}; set {datasets.DATA_VARIABLE}")
    data = DATASETS["cifar100"].load(root)
    assert data.train_targets.bincount().tolist() == [500] * 100
    assert data.test_targets.bincount().tolist() == [100] * 100
