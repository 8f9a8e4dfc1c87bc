"""Dropout, faster than torch's on the CPU."""

import torch
from torch import Tensor, nn


class FastDropout(nn.Dropout):
    """Dropout from 16 random bits an element: torch's own took a third of a step on the CPU.

    Its rate is that of `torch.nn.Dropout`, rounded to 1/65536.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; the same shape and order in memory."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        keep = 65536 - round(65536 * self.p)
        if keep == 0:
            return torch.zeros_like(x)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int16)[: x.numel()] < keep - 32768
        noise = kept.to(x.dtype).mul_(65536 / keep)
        dense = torch.empty_like(x, memory_format=torch.preserve_format)
        return x * noise.as_strided(dense.shape, dense.stride())
