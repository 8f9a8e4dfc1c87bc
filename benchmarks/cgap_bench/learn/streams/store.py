"""Images held in memory, and what a row of a stream shows of them."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

ChannelValues = tuple[float, ...]


class ImageStore(Dataset[tuple[Tensor, int]]):
    """All images of one split; batches of them are normalised when they are read.

    Args:
        images: (N, C, H, W), uint8.
        targets: (N,), int64: class as the network is to tell it.
        mean: Per channel, in units of the pixel values.
        std: Per channel, likewise.
    """

    def __init__(
        self, images: Tensor, targets: Tensor, mean: ChannelValues, std: ChannelValues
    ) -> None:
        self.images, self.targets = images, targets
        self._mean = torch.tensor(mean).view(-1, 1, 1)
        self._scale = 1 / torch.tensor(std).view(-1, 1, 1)

    def to(self, device: torch.device) -> "ImageStore":
        """The same images on another device."""
        moved = object.__new__(type(self))
        for name, value in vars(self).items():
            movable = isinstance(value, (Tensor, ImageStore))
            setattr(moved, name, value.to(device) if movable else value)
        return moved

    def digest(self) -> str:
        """Hash of images and targets."""
        hashed = hashlib.sha256()
        for values in (self.images, self.targets):
            hashed.update(values.cpu().contiguous().numpy().data)
        return hashed.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        rows = torch.tensor([row], device=self.targets.device)
        return self.normalise(self.pixels(rows), rows)[0], int(self.targets[row])

    def pixels(self, rows: Tensor) -> Tensor:
        """Pixel values (n, C, H, W) of some rows, uint8."""
        return self.images[rows]

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
        images: (N, C, H, W), uint8.
        targets: (N,), int64.
        means: Per dataset and channel.
        stds: Likewise.
        origins: (N,), int64: the dataset of each image.
    """

    def __init__(
        self,
        images: Tensor,
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
        self.images, self.targets = store.images, store.targets.repeat(len(views))
        self._store, self._views = store, views

    @property
    def mean_and_std(self) -> None:
        """None: pixels are moved as well."""

    def pixels(self, rows: Tensor) -> Tensor:
        """The images as their views show them."""
        n, images = len(self.images), self.images[rows % len(self.images)]
        views = self._views[rows // n].unsqueeze(1).expand(-1, images.shape[1], -1)
        shown = images.flatten(2).gather(2, views.clamp(min=0))
        return shown.masked_fill(views < 0, 0).view_as(images)

    def normalise(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """As the images themselves are."""
        return self._store.normalise(pixels, rows % len(self.images))
