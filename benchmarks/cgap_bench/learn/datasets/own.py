"""Data that somebody else brings: `folder:PATH`, `torchvision:NAME`, `module:function`."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.folder import image_folder
from cgap_bench.learn.datasets.from_torchvision import torchvision_dataset
from cgap_bench.learn.own.mistakes import checked_call, own_function, told

ENTRY_POINTS = "cgap_cl.datasets"
PARAMETERS = "(root: Path)"  # of a function that brings data


def own_dataset(name: str, size: int | None) -> Dataset:
    """A dataset that does not come with the package.

    Args:
        name: ``folder:PATH``, ``torchvision:NAME``, the ``module:function`` of a function
            ``(root: Path) -> ImageData``, or an entry point of the group `cgap_cl.datasets`.
        size: Side that images of any size are brought to.

    Raises:
        UsageError: There is none.
    """
    place, colon, rest = name.partition(":")
    if not colon:
        return _installed(name)
    if place == "folder":
        return Dataset(lambda root: image_folder(rest, size, root), needs_download=False)
    if place == "torchvision":
        return Dataset(lambda root: torchvision_dataset(rest, size, root), needs_download=True)
    return _checked(name, own_function(f"dataset {name}", name, PARAMETERS, Path()))


def _installed(name: str) -> Dataset:
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points and Path(name).expanduser().is_dir():
        raise UsageError(f"unknown dataset {name!r}; of the folder there write folder:{name}")
    if name not in points:
        raise UnknownNameError("dataset", name, [*DATASETS.names(), *points])
    try:
        load = points[name].load()
    except Exception as error:
        raise told(f"dataset {name}", error) from error
    return _checked(name, load)


def _checked(name: str, load: Any) -> Dataset:
    """A function whose result is looked at."""
    checked_call(f"dataset {name}", load, PARAMETERS, Path())

    def checked(root: Path) -> ImageData:
        try:
            data = load(root)
        except (
            UsageError,
            MemoryError,
            OSError,
            EOFError,
        ):  # of files that are missing or damaged
            raise
        except Exception as error:
            raise told(f"dataset {name}", error) from error
        if not isinstance(data, ImageData):
            raise UsageError(f"dataset {name} returned {type(data).__name__}, not ImageData")
        return data

    return Dataset(checked, needs_download=False)
