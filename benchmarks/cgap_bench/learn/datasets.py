"""Where data live, whether they are intact, and how they become tensors."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.registry import Registry

DATA_VARIABLE = "CGAP_CL_DATA"


@dataclass(frozen=True)
class ImageData:
    """A dataset in memory.

    Attributes:
        train_images: (N, C, H, W), uint8.
        train_targets: (N,), int64, classes from 0.
        test_images: (M, C, H, W), uint8.
        test_targets: (M,), int64.
        mean: Per channel, in units of the stored pixel values.
        std: Per channel, in units of the stored pixel values.
    """

    train_images: Tensor
    train_targets: Tensor
    test_images: Tensor
    test_targets: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.train_targets.max()) + 1


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        load: Data root -> data; raises `UsageError` when files are missing or damaged.
        needs_download: Whether files are needed that no dependency ships.
    """

    load: Callable[[Path], ImageData]
    needs_download: bool


DATASETS: Registry[Dataset] = Registry("dataset")


def data_root(chosen: Path | None = None) -> Path:
    """The folder with datasets: the option, else the variable, else a cache in the home."""
    if chosen is not None:
        return chosen.expanduser()
    return Path(os.environ.get(DATA_VARIABLE) or "~/.cache/cgap-cl").expanduser()


def _digits(_root: Path) -> ImageData:
    """Scikit-learn's digits, 8x8 grey values 0-16; of each class every fifth image is for test.

    The split is by position, so it is the same with every version of every library.
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    targets = torch.from_numpy(bunch.target).long()
    is_test = torch.zeros(len(targets), dtype=torch.bool)
    for digit in range(10):
        is_test[(targets == digit).nonzero().flatten()[4::5]] = True
    train = images[~is_test]
    pixels = train.double()
    return ImageData(
        train_images=train,
        train_targets=targets[~is_test],
        test_images=images[is_test],
        test_targets=targets[is_test],
        mean=(float(pixels.mean()),),
        std=(float(pixels.std()),),
    )


def _cifar100(root: Path) -> ImageData:
    """CIFAR-100 (Krizhevsky 2009) in the official Python format, through torchvision."""
    from torchvision.datasets import CIFAR100

    files = [*CIFAR100.train_list, *CIFAR100.test_list]
    files.append([CIFAR100.meta["filename"], CIFAR100.meta["md5"]])
    folder = root / CIFAR100.base_folder
    if not all((folder / name).exists() for name, _ in files):
        _download(lambda: CIFAR100(str(root), download=True), "CIFAR-100", root, folder)
    for name, md5 in files:
        _check_md5(folder / name, md5)
    train, test = CIFAR100(str(root), train=True), CIFAR100(str(root), train=False)
    return ImageData(
        train_images=torch.from_numpy(train.data).permute(0, 3, 1, 2).contiguous(),
        train_targets=torch.tensor(train.targets),
        test_images=torch.from_numpy(test.data).permute(0, 3, 1, 2).contiguous(),
        test_targets=torch.tensor(test.targets),
        mean=(125.3, 123.0, 113.9),  # as in GPM's loader (Saha et al. 2021, public code)
        std=(63.0, 62.1, 66.7),
    )


def _download(fetch: Callable[[], object], title: str, root: Path, folder: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        fetch()
    except (OSError, RuntimeError) as error:
        free = [name for name in DATASETS.names() if not DATASETS[name].needs_download]
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"{title} is not in {folder} and could not be downloaded ({reason})."
            f" Point to existing files with --data-root FOLDER or {DATA_VARIABLE}=FOLDER, where"
            f" FOLDER contains {folder.name}/; benchmarks on {', '.join(free)} need no download"
        ) from error


def _check_md5(path: Path, expected: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise UsageError(
            f"{path} is damaged: {path.stat().st_size} bytes with md5 {digest.hexdigest()},"
            f" expected md5 {expected}; delete it and run again, or copy an intact file there"
        )


DATASETS.add("digits", Dataset(_digits, needs_download=False))
DATASETS.add("cifar100", Dataset(_cifar100, needs_download=True))
