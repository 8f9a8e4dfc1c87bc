"""MNIST and the datasets in its file format: Fashion-MNIST, notMNIST."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData, without_test_split
from cgap_bench.learn.datasets.files import ensure_files

PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@dataclass(frozen=True)
class _Idx:
    """Four unpacked files in the format of MNIST: images and labels, for training and test.

    Attributes:
        title: What people call the dataset.
        folder: Below the data root.
        mean: Of the pixel values of the training images.
        std: Likewise.
        md5: Of the four files, in the order of `PARTS`; empty where none are official.
        downloads: Class of torchvision that fetches them, if there is one.
    """

    title: str
    folder: str
    mean: float
    std: float
    md5: tuple[str, ...] = ()
    downloads: str | None = None

    def load(self, root: Path) -> ImageData:
        """Read the four files."""
        names = [f"{part}-ubyte" for part in PARTS]
        md5 = dict(zip(names, self.md5)) if self.md5 else dict.fromkeys(names)
        folder = root / self.folder
        ensure_files(self.title, root, folder, md5, self._fetcher(root))
        return ImageData(
            *_images_and_labels(folder, "train"),
            *_images_and_labels(folder, "t10k"),
            mean=(self.mean,),
            std=(self.std,),
        )

    def _fetcher(self, root: Path) -> Callable[[], object] | None:
        if self.downloads is None:
            return None
        import torchvision.datasets

        dataset = getattr(torchvision.datasets, self.downloads)
        return lambda: dataset(str(root), download=True)


def _notmnist_10k(root: Path) -> ImageData:
    """The 10,000 test images of notMNIST; of each letter every fifth is for test here."""
    folder = root / "notMNIST-10k"
    md5 = {
        "t10k-images-idx3-ubyte": "1e78b07d677d6e4de2c8857bafff012e",
        "t10k-labels-idx1-ubyte": "b10b3ef34b4e468313a7b24c216c6a53",
    }
    ensure_files("the 10,000 test images of notMNIST", root, folder, md5)
    images, targets = _images_and_labels(folder, "t10k")
    return without_test_split(images, targets)


def _images_and_labels(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, H, W), uint8, and classes (N,) of one split."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    images = read_image_file(str(folder / f"{split}-images-idx3-ubyte"))
    targets: Tensor = read_label_file(str(folder / f"{split}-labels-idx1-ubyte"))
    return torch.as_tensor(images).unsqueeze(1), targets.long()


# The authors publish md5 sums of the packed files; these are of the same files, unpacked.
MNIST = _Idx(
    "MNIST",
    "MNIST/raw",
    mean=0.1307 * 255,
    std=0.3081 * 255,
    md5=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    downloads="MNIST",
)
FASHION = _Idx(
    "Fashion-MNIST",
    "FashionMNIST/raw",
    mean=0.2860 * 255,
    std=0.3530 * 255,
    md5=(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    downloads="FashionMNIST",
)
# Mean and deviation as in GPM's loader (Saha et al. 2021, public code `five_datasets.py`).
NOTMNIST = _Idx("notMNIST", "notMNIST/raw", mean=0.4254 * 255, std=0.4501 * 255)

DATASETS.add("mnist", Dataset(MNIST.load, needs_download=True))
DATASETS.add("fashion-mnist", Dataset(FASHION.load, needs_download=True))
DATASETS.add("notmnist", Dataset(NOTMNIST.load, needs_download=True))
DATASETS.add("notmnist-10k", Dataset(_notmnist_10k, needs_download=True))
