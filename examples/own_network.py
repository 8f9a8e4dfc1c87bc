"""A network of one's own."""

from torch import Tensor, nn


class Residual(nn.Module):
    """Two convolutions, the second one beside a shortcut, and a linear head."""

    def __init__(self, channels: int, n_outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(64, n_outputs)  # the last linear layer: each task has its own

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, n_outputs) of images (N, C, H, W)."""
        seen = self.first(images).relu()
        seen = seen + self.second(seen).relu()
        return self.head(self.pool(seen))


def residual(input_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """A new network for images (C, H, W)."""
    return Residual(input_shape[0], n_outputs)
