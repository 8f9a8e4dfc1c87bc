"""Images in memory or in files, and what a row of a stream shows of them."""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cgap_bench.learn.images.reading import read_ahead
from cgap_bench.learn.images.stored import Pixels, in_parts

ChannelValues = tuple[float, ...]


class ImageStore(Dataset[tuple[Tensor, int]]):
    """All images of one split; batches of them are normalised when they are read.

    Args:
        images: (N, C, H, W), uint8: a tensor, or images in files.
        targets: (N,), int64: class as the network is to tell it.
        mean: Per channel, in units of the pixel values.
        std: Per channel, likewise.
    """

    def __init__(
        self, images: Pixels, targets: Tensor, mean: ChannelValues, std: ChannelValues
    ) -> None:
        self.images, self.targets = images, targets
        self._mean = torch.tensor(mean).view(-1, 1, 1)
        self._scale = 1 / torch.tensor(std).view(-1, 1, 1)

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.targets.device

    def to(self, device: torch.device) -> "ImageStore":
        """The same for another device; images in files stay there."""
        moved = object.__new__(type(self))
        for name, value in vars(self).items():
            movable = isinstance(value, (Tensor, ImageStore))
            setattr(moved, name, value.to(device) if movable else value)
        return moved

    def digest(self) -> str:
        """Hash of images and targets."""
        hashed = hashlib.sha256()
        for values in (*in_parts(self.images), self.targets):
            hashed.update(values.cpu().contiguous().numpy().data)
        return hashed.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        rows = torch.tensor([row], device=self.targets.device)
        return self.normalise(self.pixels(rows), rows)[0], int(self.targets[row])

    def pixels(self, rows: Tensor) -> Tensor:
        """Pixel values (n, C, H, W) of some rows, uint8."""
        return self.shown(self.images[self.image_rows(rows)].to(self.device), rows)

    def pixels_in_turn(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """The same for one batch of rows after the other; those in files are read ahead.

        Raises:
            UsageError: A file cannot be read.
        """
        if isinstance(self.images, Tensor):
            yield from map(self.pixels, batches)
            return
        needed = [self.image_rows(rows).cpu() for rows in batches]
        pinned = self.device.type == "cuda"
        for images, rows in zip(read_ahead(self.images, needed, pinned), batches):
            yield self.shown(images.to(self.device, non_blocking=True), rows)

    def image_rows(self, rows: Tensor) -> Tensor:
        """The image that each row shows, (n,), int64."""
        return rows

    def shown(self, images: Tensor, rows: Tensor) -> Tensor:
        """What rows show of their images (n, C, H, W)."""
        return images

    @property
    def mean_and_std(self) -> tuple[list[float], list[float]] | None:
        """Per channel, in units of the pixel values; None where images are more than scaled."""
        return self._mean.flatten().tolist(), (1 / self._scale).flatten().tolist()

    def normalise(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """Pixel values (n, C, H, W) of some rows -> float32 of about zero mean and unit std."""
        return (pixels.float() - self._mean) * self._scale


class MixedStore(ImageStore):
    """Images of several datasets, each normalised by its own mean and deviation.

    Args:
        images: (N, C, H, W), uint8: a tensor, or images in files.
        targets: (N,), int64.
        means: Per dataset and channel.
        stds: Likewise.
        origins: (N,), int64: the dataset of each image.
    """

    def __init__(
        self,
        images: Pixels,
        targets: Tensor,
        means: Sequence[ChannelValues],
        stds: Sequence[ChannelValues],
        origins: Tensor,
    ) -> None:
        super().__init__(images, targets, means[0], stds[0])
        self._mean = torch.tensor(means).unsqueeze(-1).unsqueeze(-1)
        self._scale = 1 / torch.tensor(stds).unsqueeze(-1).unsqueeze(-1)
        self._origins = origins

    @property
    def mean_and_std(self) -> None:
        """None: each dataset has its own."""

    def normalise(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """Each image by the values of its dataset."""
        origins = self._origins[rows]
        return (pixels.float() - self._mean[origins]) * self._scale[origins]


class ViewStore(ImageStore):
    """V views of the same N images: row ``v * N + i`` shows image i with its pixels moved.

    Args:
        store: The images.
        views: (V, H * W), int64: for each pixel of a view the pixel of the image that is shown
            there, or -1 for black (value 0).
    """

    def __init__(self, store: ImageStore, views: Tensor) -> None:
        self._store, self._views = store, views
        self.targets = store.targets.repeat(len(views))

    @property
    def images(self) -> Pixels:  # type: ignore[override]
        """Those of the store: once, on whatever device."""
        return self._store.images

    @property
    def mean_and_std(self) -> None:
        """None: pixels are moved as well."""

    def image_rows(self, rows: Tensor) -> Tensor:
        """The image behind its view."""
        return rows % len(self.images)

    def shown(self, images: Tensor, rows: Tensor) -> Tensor:
        """The images as their views show them."""
        views = self._views[rows // len(self.images)]
        views = views.unsqueeze(1).expand(-1, images.shape[1], -1)
        shown = images.flatten(2).gather(2, views.clamp(min=0))
        return shown.masked_fill(views < 0, 0).view_as(images)

    def normalise(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """As the images themselves are."""
        return self._store.normalise(pixels, rows % len(self.images))
