"""The dataset of a name, wherever it comes from."""

from pathlib import Path

from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.own import own_dataset
from cgap_bench.learn.datasets.united import united
from cgap_bench.learn.own.images import check_images


def load_data(name: str, size: int | None, root: Path) -> ImageData:
    """A dataset by its name.

    Args:
        name: A name of the registry; with a colon in it, of data that somebody else brings;
            several joined by ``+``: their images and classes one after the other.
        size: Side that images of any size are brought to while they are read.
        root: Data root.

    Raises:
        UsageError: There is none of that name, its files are missing or damaged, or a user's
            own is not what `ImageData` says.
    """
    parts = []
    for part in name.split("+"):
        parts.append(find_dataset(part, size).load(root))
        check_images(f"dataset {part}", parts[-1], size)
    return parts[0] if len(parts) == 1 else united(parts, size)


def find_dataset(name: str, size: int | None = None) -> Dataset:
    """The dataset of one name, wherever it comes from.

    Raises:
        UsageError: There is none.
    """
    if name in DATASETS.names():
        return DATASETS[name]
    return own_dataset(name, size)
