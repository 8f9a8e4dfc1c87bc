"""Small files in the official formats, with their md5 sums where those are checked."""

import hashlib
import pickle

import numpy as np
import pytest


def md5_of(folder):
    """Name -> md5 of every file of a folder."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def tiny_cifar100(tmp_path, monkeypatch):
    """Two images of each of 100 classes; fine label c is of superclass c % 20."""
    from torchvision.datasets import CIFAR100

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = [c for c in range(100) for _ in range(2)]
    for name in ("train", "test"):
        pixels = rng.integers(0, 256, (200, 3072), dtype=np.uint8)
        content = {"data": pixels, "fine_labels": labels}
        content["coarse_labels"] = [c % 20 for c in labels]
        (folder / name).write_bytes(pickle.dumps(content))
    names = [str(c) for c in range(100)]
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}))
    md5 = md5_of(folder)
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": md5["meta"]})
    return tmp_path


@pytest.fixture
def write_idx():
    """Writes images (N, H, W) and labels (N,) in the format of MNIST."""

    def write(folder, split, images, labels):
        folder.mkdir(parents=True, exist_ok=True)
        head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big")
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())

    return write
