"""Datasets of torchvision by name: its own constructors on generated files, and refusals."""

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision import datasets

from cgap_bench.errors import UsageError
from cgap_bench.learn.datasets.named import load_data


def picture(value, size=(10, 10)):
    return Image.fromarray(np.full(size, value, dtype=np.uint8))


def test_a_dataset_of_torchvision_is_read_at_the_asked_size(tmp_path, monkeypatch):
    class Tiny:
        def __init__(self, root, train, download):
            self._n, self.classes = 4 if train else 2, ["no", "yes"]

        def __iter__(self):
            for n in range(self._n):
                yield Image.fromarray(np.full((10, 10), 30 * n, dtype=np.uint8)), n % 2

    monkeypatch.setattr(datasets, "KMNIST", Tiny)
    data = load_data("torchvision:KMNIST", 5, tmp_path)
    assert data.train_images.shape == (4, 1, 5, 5)
    assert data.train_images[2].unique().tolist() == [60]
    assert data.class_names == ("no", "yes")
    assert data.test_targets.tolist() == [0, 1]


def write_svhn(root):
    """The official format: (32, 32, 3, N), the digit 0 as class 10."""
    for split, n in (("train", 4), ("test", 2)):
        images = np.zeros((32, 32, 3, n), dtype=np.uint8)
        images[..., 0, :] = 50 * np.arange(n)
        labels = np.array([[10 if k % 2 == 0 else 1] for k in range(n)], dtype=np.uint8)
        scipy.io.savemat(root / f"{split}_32x32.mat", {"X": images, "y": labels})


def write_stl10(root):
    """The official format: images of 96 x 96, column by column, classes from 1."""
    folder = root / "stl10_binary"
    folder.mkdir()
    for split, n in (("train", 4), ("test", 2)):
        images = np.zeros((n, 3, 96, 96), dtype=np.uint8)
        images[:, 0] = 50 * np.arange(n)[:, None, None]
        images.tofile(folder / f"{split}_X.bin")
        np.array([1 + k % 2 for k in range(n)], dtype=np.uint8).tofile(
            folder / f"{split}_y.bin"
        )
    (folder / "class_names.txt").write_text("bird\nplane\n")


@pytest.mark.parametrize(
    ("name", "write", "side"), [("SVHN", write_svhn, 32), ("STL10", write_stl10, 96)]
)
@pytest.mark.parametrize("size", [None, 8])
def test_datasets_with_a_split_are_read(name, write, side, size, tmp_path, monkeypatch):
    """Their own constructors; the files are generated, so that no checksum fits."""
    write(tmp_path)
    monkeypatch.setattr(getattr(datasets, name), "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.svhn, "download_url", lambda *_, **_named: None)
    data = load_data(f"torchvision:{name}", size, tmp_path)
    side = size or side
    assert data.train_images.shape == (4, 3, side, side)
    assert data.test_images.shape == (2, 3, side, side)
    assert data.train_images[3, 0].unique().tolist() == [150]
    assert data.train_targets.tolist() == [0, 1, 0, 1]
    assert data.test_targets.tolist() == [0, 1]
    if name == "STL10":
        assert data.class_names == ("bird", "plane")


def of_splits(*known, target=int, sizes=(10, 10), downloads=True):
    """A dataset like torchvision's, with splits of these names."""

    class Made:
        def __init__(self, root, split="train", **_options):
            if split not in known:
                raise ValueError(f"Unknown value '{split}' for argument split.")
            self.split = split

        def __iter__(self):
            for n in range(4):
                yield (
                    picture(10 * known.index(self.split) + n, sizes[n % 2 :][:1] * 2),
                    target(n % 2),
                )

    if downloads:

        class Fetched(Made):
            def __init__(self, root, split="train", download=False):
                assert download
                super().__init__(root, split)

        return Fetched
    return Made


@pytest.mark.parametrize(
    ("known", "read"),
    [
        (("train", "test"), ("train", "test")),
        (("train", "val", "trainval", "test"), ("trainval", "test")),
        (("train", "val"), ("train", "val")),
    ],
)
@pytest.mark.parametrize("downloads", [True, False])
def test_all_training_images_and_those_for_test(known, read, downloads, tmp_path, monkeypatch):
    made = of_splits(*known, downloads=downloads)
    monkeypatch.setattr(datasets, "FGVCAircraft", made)
    data = load_data("torchvision:FGVCAircraft", None, tmp_path)
    first = [int(images[0].max()) for images in (data.train_images, data.test_images)]
    assert first == [10 * known.index(split) for split in read]


class Whole:
    def __init__(self, root, download):
        pass


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Whole, "has neither train= nor split="),
        (
            of_splits("byclass", "letters"),
            "has none of the splits trainval and test, train and",
        ),
        (of_splits("train", "test", target=str), "has str as targets, not classes"),
        (
            of_splits("train", "test", target=lambda n: torch.tensor([n, n])),
            "has Tensor as targets, not classes",
        ),
        (of_splits("train", "test", sizes=(9, 10)), "images of 2 shapes; set stream.size"),
    ],
)
def test_what_cannot_be_read_is_one_line(made, said, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "EuroSAT", made)
    with pytest.raises(UsageError, match="torchvision:EuroSAT") as caught:
        load_data("torchvision:EuroSAT", None, tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Nothing", "unknown torchvision dataset 'Nothing'"),
        ("EMNIST", "neither train= nor split="),
        ("EuroSAT", "neither train= nor split="),
    ],
)
def test_datasets_that_cannot_be_split_are_named(name, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        load_data(f"torchvision:{name}", None, tmp_path)
