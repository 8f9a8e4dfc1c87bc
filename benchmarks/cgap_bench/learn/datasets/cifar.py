"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the official Python format."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.files import ensure_files


def _cifar10(root: Path) -> ImageData:
    """60,000 images 32x32; mean and standard deviation of its training pixels."""
    from torchvision.datasets import CIFAR10

    _ensure("CIFAR-10", CIFAR10, root)
    train, test = CIFAR10(str(root), train=True), CIFAR10(str(root), train=False)
    return ImageData(
        train_images=_planes(train.data),
        train_targets=torch.tensor(train.targets),
        test_images=_planes(test.data),
        test_targets=torch.tensor(test.targets),
        mean=(125.3, 123.0, 113.9),
        std=(63.0, 62.1, 66.7),
    )


def _cifar100(root: Path) -> ImageData:
    """60,000 images 32x32; its groups are the 20 superclasses in the order of coarse labels."""
    from torchvision.datasets import CIFAR100

    _ensure("CIFAR-100", CIFAR100, root)
    train, test = CIFAR100(str(root), train=True), CIFAR100(str(root), train=False)
    return ImageData(
        train_images=_planes(train.data),
        train_targets=torch.tensor(train.targets),
        test_images=_planes(test.data),
        test_targets=torch.tensor(test.targets),
        mean=(125.3, 123.0, 113.9),  # as in GPM's loader (Saha et al. 2021, public code)
        std=(63.0, 62.1, 66.7),
        groups=_superclasses(root / CIFAR100.base_folder / "train"),
    )


def _ensure(title: str, dataset: Any, root: Path) -> None:
    files = dict([*dataset.train_list, *dataset.test_list])
    files[dataset.meta["filename"]] = dataset.meta["md5"]
    ensure_files(
        title,
        root,
        root / dataset.base_folder,
        files,
        lambda: dataset(str(root), download=True),
    )


def _planes(images: Any) -> Tensor:
    """(N, H, W, C) -> (N, C, H, W)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _superclasses(path: Path) -> tuple[tuple[int, ...], ...]:
    """Classes of each superclass, ascending; the file's md5 has been checked before."""
    content = pickle.loads(path.read_bytes(), encoding="latin1")
    pairs = set(zip(content["coarse_labels"], content["fine_labels"]))
    groups: dict[int, list[int]] = {}
    for coarse, fine in sorted(pairs):
        groups.setdefault(coarse, []).append(fine)
    return tuple(tuple(group) for group in groups.values())


DATASETS.add("cifar10", Dataset(_cifar10, needs_download=True))
DATASETS.add("cifar100", Dataset(_cifar100, needs_download=True))
