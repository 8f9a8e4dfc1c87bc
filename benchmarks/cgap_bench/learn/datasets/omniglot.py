"""Omniglot (Lake et al. 2015): characters of fifty alphabets, twenty drawings of each."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData, every_fifth

FOLDER = "omniglot-py"
SPLITS = ("images_background", "images_evaluation")
SIZE = 28  # side of an image, after Vinyals et al. (2016); the drawings have 105


def _omniglot(root: Path) -> ImageData:
    """1,623 characters, reduced to 28x28; every fifth person's drawings are for test.

    Its groups are the alphabets by name. Ink is 255, paper 0.
    """
    names, drawings = _drawings(root)
    order = sorted(range(len(names)), key=lambda row: names[row])
    characters = [names[row].rpartition("/")[0].partition("/")[2] for row in order]

    numbers = {one: number for number, one in enumerate(dict.fromkeys(characters))}
    targets = torch.tensor([numbers[one] for one in characters])
    images = _reduced(drawings[order])

    groups: dict[str, list[int]] = {}
    for one, number in numbers.items():
        groups.setdefault(one.partition("/")[0], []).append(number)
    is_test = every_fifth(targets)
    pixels = images[~is_test].double()
    return ImageData(
        train_images=images[~is_test],
        train_targets=targets[~is_test],
        test_images=images[is_test],
        test_targets=targets[is_test],
        mean=(float(pixels.mean()),),
        std=(float(pixels.std()),),
        groups=tuple(tuple(groups[alphabet]) for alphabet in sorted(groups)),
    )


def _drawings(root: Path) -> tuple[list[str], Tensor]:
    """Names ``split/alphabet/character/drawing.png`` and images (N, 105, 105), paper 255.

    From one array file where it is there, else from the folders that torchvision makes.
    """
    folder = root / FOLDER
    packed = folder / "omniglot.npz"
    if packed.exists():
        with np.load(packed) as content:
            return content["names"].tolist(), torch.from_numpy(content["images"])
    if not all((folder / split).is_dir() for split in SPLITS):
        _fetch(root, folder)

    from PIL import Image

    files = sorted(path for split in SPLITS for path in (folder / split).glob("*/*/*.png"))
    images = [torch.from_numpy(np.array(Image.open(path).convert("L"))) for path in files]
    return [str(path.relative_to(folder).as_posix()) for path in files], torch.stack(images)


def _fetch(root: Path, folder: Path) -> None:
    from torchvision.datasets import Omniglot

    from cgap_bench.learn.datasets.files import download

    def fetch() -> None:
        for background in (True, False):
            Omniglot(str(root), background=background, download=True)

    download(fetch, "Omniglot", root, folder)
    if not all((folder / split).is_dir() for split in SPLITS):
        raise UsageError(f"{folder} has no {' and '.join(SPLITS)}; delete it and run again")


def _reduced(drawings: Tensor) -> Tensor:
    """(N, 105, 105) on white paper -> (N, 1, 28, 28): ink averaged over the area of a pixel."""
    from torch.nn import functional

    parts = [
        functional.adaptive_avg_pool2d(255 - part.float().unsqueeze(1), SIZE).round()
        for part in drawings.split(2048)
    ]
    return torch.cat(parts).to(torch.uint8)


DATASETS.add("omniglot", Dataset(_omniglot, needs_download=True))
