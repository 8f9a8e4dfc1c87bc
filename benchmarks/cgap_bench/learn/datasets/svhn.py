"""SVHN (Netzer et al. 2011), cropped digits, in the official MATLAB format."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.files import ensure_files


def _svhn(root: Path) -> ImageData:
    """73,257 and 26,032 images 32x32 of house numbers; without the extra training images."""
    from torchvision.datasets import SVHN

    files = {
        SVHN.split_list[split][1]: SVHN.split_list[split][2] for split in ("train", "test")
    }

    def fetch() -> None:
        for split in ("train", "test"):
            SVHN(str(root), split, download=True)

    ensure_files("SVHN", root, root, files, fetch)
    return ImageData(
        *_images_and_labels(SVHN(str(root), "train")),
        *_images_and_labels(SVHN(str(root), "test")),
        mean=(0.4377 * 255, 0.4438 * 255, 0.4728 * 255),  # as in GPM's loader
        std=(0.198 * 255, 0.201 * 255, 0.197 * 255),
    )


def _images_and_labels(split: Any) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32), uint8, and classes (N,); the digit 0 is class 0."""
    images, labels = split.data, split.labels
    return torch.from_numpy(images).contiguous(), torch.from_numpy(labels).long()


DATASETS.add("svhn", Dataset(_svhn, needs_download=True))
