"""Has what a user brings changed? Hashes of own code and images, part of a run's identity."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS
from cgap_bench.learn.datasets.folder import folder_of, image_files
from cgap_bench.learn.datasets.own import ENTRY_POINTS
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.network import NETWORKS
from cgap_bench.learn.own.sources import module_of, source_files
from cgap_bench.record.configuration import RunConfig

LIBRARIES = frozenset({"torchvision", "timm"})  # of names with a colon; their version is noted
DIGITS = 12


class Fingerprints:
    """Makes the fingerprints of configurations; each thing is looked at once.

    Args:
        root: Data root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[tuple[str, str], str | None] = {}

    def of(self, config: RunConfig) -> RunConfig:
        """The same configuration with the fingerprints of what a user brings to it."""
        network, stream = config.network, config.stream
        update: dict[str, Any] = {}
        if made := self._once("network", network.name):
            update["network"] = network.model_copy(update={"fingerprint": made})
        if made := self._once("dataset", stream.dataset):
            update["stream"] = stream.model_copy(update={"fingerprint": made})
        if made := self._once("method", config.method):
            update["method_fingerprint"] = made
        return config.model_copy(update=update) if update else config

    def check(self, config: RunConfig) -> None:
        """See that nothing has changed since the fingerprints of a configuration were made.

        Raises:
            UsageError: Something has.
        """
        planned = {
            ("network", config.network.name): config.network.fingerprint,
            ("dataset", config.stream.dataset): config.stream.fingerprint,
            ("method", config.method): config.method_fingerprint,
        }
        for (kind, name), fingerprint in planned.items():
            if fingerprint is not None and self._once(kind, name) != fingerprint:
                raise UsageError(
                    f"{kind} {name} has changed since the runs were planned; the same command"
                    " plans them anew"
                )

    def _once(self, kind: str, name: str) -> str | None:
        makers: dict[str, Callable[[str], str | None]] = {
            "network": network_fingerprint,
            "dataset": partial(dataset_fingerprint, root=self._root),
            "method": lambda name: _of_thing(METHODS[name].build),
        }
        if (kind, name) not in self._made:
            self._made[kind, name] = makers[kind](name)
        return self._made[kind, name]


def network_fingerprint(name: str) -> str | None:
    """Of the source of a user's own network; None of the project's and of libraries'.

    Args:
        name: As in a recipe.

    Raises:
        UnknownNameError: There is no such network.
    """
    place, colon, _ = name.partition(":")
    if not colon:
        return _of_thing(NETWORKS[name])
    return None if place in LIBRARIES else code_fingerprint(place)


def dataset_fingerprint(name: str, root: Path) -> str | None:
    """Of a folder of images or of the source of a user's own dataset, else None.

    Args:
        name: As in a recipe; several joined by ``+``.
        root: Data root.

    Raises:
        UsageError: There is no such folder.
    """
    made = [_of_dataset(part, root) for part in name.split("+")]
    if not any(made):
        return None
    return made[0] if len(made) == 1 else _hex(str(made).encode())


def code_fingerprint(module: str) -> str | None:
    """Of the file of a module, and of those that it imports from the same place.

    Of one file it is the beginning of ``sha256sum FILE``. None where there is no file.
    """
    files = source_files(module)
    if not files:
        return None
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashes[0][:DIGITS] if len(hashes) == 1 else _hex("\n".join(hashes).encode())


def folder_fingerprint(folder: Path) -> str:
    """Of the names below the folder, and the sizes in bytes, of all image files."""
    found = sorted(
        (path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in image_files(folder)
    )
    return _hex("\n".join(f"{size} {name}" for name, size in found).encode())


def _of_dataset(name: str, root: Path) -> str | None:
    place, colon, rest = name.partition(":")
    if place == "folder" and colon:
        return folder_fingerprint(folder_of(rest, root))
    if colon:
        return None if place in LIBRARIES else code_fingerprint(place)
    if name in DATASETS.names():
        return _of_thing(DATASETS[name].load)
    points: Sequence[Any] = [p for p in entry_points(group=ENTRY_POINTS) if p.name == name]
    return code_fingerprint(points[0].module) if points else None


def _of_thing(thing: Any) -> str | None:
    """Of the module that a function or class is from, unless it is the project's."""
    module = module_of(thing)
    return code_fingerprint(module) if module else None


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
