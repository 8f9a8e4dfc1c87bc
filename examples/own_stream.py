"""Data of one's own: waves in eight directions; own_stream.toml makes a stream of them."""

from pathlib import Path

import torch

from cgap_bench.learn.dataset import ImageData


def waves(_root: Path) -> ImageData:
    """8x8 images, 80 of each direction; a network is tested on every fifth."""
    y = torch.arange(640) % 8
    angle = (y * torch.pi / 8).view(-1, 1, 1)
    phase = 6.28 * torch.rand(640, 1, 1, generator=torch.Generator().manual_seed(0))
    wave = torch.sin(
        angle.cos() * torch.arange(8) + angle.sin() * torch.arange(8).view(8, 1) + phase
    )
    x = (127.5 + 127.5 * wave).to(torch.uint8).unsqueeze(1)
    train, test = torch.arange(640) % 5 != 4, torch.arange(640) % 5 == 4
    return ImageData(x[train], y[train], x[test], y[test], mean=(127.5,), std=(90.0,))
