"""Tiny-ImageNet (Stanford CS231n) in the official folders."""

from pathlib import Path

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.files import ensure_files
from cgap_bench.learn.datasets.folder import images_of

FOLDER = "tiny-imagenet-200"
SIZE = 64


def _tiny_imagenet(root: Path) -> ImageData:
    """200 classes of 500 images 64x64; the labelled validation images are for test.

    Classes are numbered by their WordNet identity, ascending. The official test images have no
    labels.
    """
    folder = root / FOLDER
    listed = {"wnids.txt": None, "val/val_annotations.txt": None}
    ensure_files("Tiny-ImageNet", root, folder, listed)
    names = sorted((folder / "wnids.txt").read_text(encoding="utf-8").split())
    numbers = {name: number for number, name in enumerate(names)}

    train = [
        (path, numbers[name])
        for name in names
        for path in sorted((folder / "train" / name / "images").glob("*.JPEG"))
    ]
    lines = (folder / "val" / "val_annotations.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    test = [(folder / "val" / "images" / row[0], numbers[row[1]]) for row in rows]

    return images_of(train, test, SIZE, root)


DATASETS.add("tiny-imagenet", Dataset(_tiny_imagenet, needs_download=True))
