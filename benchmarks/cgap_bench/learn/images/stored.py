"""Images that stay in files: some of them are in memory at a time."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from cgap_bench.errors import UsageError

FOLDER = "decoded"  # below the data root
PART_BYTES = 1 << 22  # of images that are looked at one after the other: small beside torch


class Images(ABC):
    """What a tensor (N, C, H, W), uint8, would hold; `images[rows]` is one, on the CPU.

    Attributes:
        shape: (N, C, H, W).
    """

    shape: torch.Size

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Tensor) -> Tensor:
        """Some images (n, C, H, W); rows: (n,), int64."""

    @abstractmethod
    def tensor(self) -> Tensor:
        """All of them."""


Pixels: TypeAlias = Tensor | Images


class FileImages(Images):
    """Images one after the other in a file, nothing else in it.

    They are read, not mapped to memory, so that a process is no larger than what it holds.

    Args:
        path: The file.
        shape: (N, C, H, W).
    """

    def __init__(self, path: Path, shape: Sequence[int]) -> None:
        self.path, self.shape = path, torch.Size(shape)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """See `Images`.

        Raises:
            UsageError: The file is not there any more, or shorter than it was.
        """
        images = torch.empty(len(rows), *self.shape[1:], dtype=torch.uint8)
        places = images.flatten(1).numpy()
        try:
            with self.path.open("rb") as file:
                for place, row in zip(places, rows.tolist(), strict=True):
                    file.seek(row * place.size)
                    if file.readinto(place.data) != place.size:
                        raise EOFError(f"it ends before image {row}")
        except (OSError, EOFError) as error:
            raise UsageError(
                f"the images in {self.path} cannot be read any more: {error}; the same command"
                " writes them anew and goes on"
            ) from error
        return images

    def tensor(self) -> Tensor:
        """All of them, mapped: what nobody looks at takes no memory."""
        n = self.shape.numel()
        if not n:
            return torch.empty(self.shape, dtype=torch.uint8)
        return torch.from_file(str(self.path), size=n, dtype=torch.uint8).view(self.shape)


class JoinedImages(Images):
    """Those of several, one after the other; grey ones get as many equal channels as needed.

    Args:
        parts: Images of one height and width.
    """

    def __init__(self, parts: Sequence[Pixels]) -> None:
        _, _, height, width = parts[0].shape
        n_channels = max(part.shape[1] for part in parts)
        self._parts = parts
        self.shape = torch.Size((sum(map(len, parts)), n_channels, height, width))

    def __getitem__(self, rows: Tensor) -> Tensor:
        """See `Images`."""
        images = torch.empty(len(rows), *self.shape[1:], dtype=torch.uint8)
        rows, first = rows.cpu(), 0
        for part in self._parts:
            mine = (rows >= first) & (rows < first + len(part))
            images[mine] = part[rows[mine] - first].expand(-1, self.shape[1], -1, -1)
            first += len(part)
        return images

    def tensor(self) -> Tensor:
        """See `Images`."""
        return torch.cat([whole(part).expand(-1, *self.shape[1:]) for part in self._parts])


def whole(images: Pixels) -> Tensor:
    """All of them in memory."""
    return images if isinstance(images, Tensor) else images.tensor()


def in_parts(images: Pixels, step: int = 1) -> Iterator[Tensor]:
    """All of them in order, or one in so many; (n, C, H, W) of a few megabytes at a time."""
    n = max(1, PART_BYTES // max(1, images.shape[1:].numel()))
    if isinstance(images, Tensor):
        return iter(images[::step].split(n))
    return (images[rows] for rows in torch.arange(0, len(images), step).split(n))


def kept_in(path: Path, shape: Sequence[int], parts: Iterable[Tensor]) -> FileImages:
    """Images in a file, written unless it is there in full.

    Args:
        path: The file; folders are made.
        shape: (N, C, H, W) of all.
        parts: All of them in order, (n, C, H, W), uint8.

    Raises:
        OSError: It cannot be written.
    """
    images = FileImages(path, shape)
    if path.exists() and path.stat().st_size == images.shape.numel():
        return images
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            for part in parts:
                file.write(part.contiguous().numpy().data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return images
