"""Tiny-ImageNet: the official folders, with the labelled validation images for test."""

import numpy as np
import pytest
from PIL import Image

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS


def save(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 64, 3), grey, dtype=np.uint8)).save(path, quality=95)


@pytest.fixture
def tiny_imagenet(tmp_path):
    folder = tmp_path / "tiny-imagenet-200"
    for name, grey in (("n02", 200), ("n01", 100)):
        for n in range(3):
            save(folder / "train" / name / "images" / f"{name}_{n}.JPEG", grey)
    save(folder / "val" / "images" / "val_0.JPEG", 200)
    save(folder / "val" / "images" / "val_1.JPEG", 100)
    (folder / "wnids.txt").write_text("n02\nn01\n")
    rows = ["val_0.JPEG\tn02\t0\t0\t9\t9", "val_1.JPEG\tn01\t0\t0\t9\t9"]
    (folder / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_official_folders_are_read_and_classes_numbered_by_identity(tiny_imagenet):
    data = DATASETS["tiny-imagenet"].load(tiny_imagenet)
    assert data.train_images.shape == (6, 3, 64, 64)
    assert data.train_targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_targets.tolist() == [1, 0]  # n02, n01
    means = data.test_images.tensor().double().mean((1, 2, 3)).tolist()
    assert means == pytest.approx([200, 100], abs=2)


def test_without_the_files_it_says_which(tmp_path):
    with pytest.raises(UsageError, match=r"Tiny-ImageNet is not in .*\(wnids.txt is missing\)"):
        DATASETS["tiny-imagenet"].load(tmp_path)
