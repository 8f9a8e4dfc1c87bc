"""Dropout, faster than torch's on the CPU."""

import torch
from torch import Tensor, nn

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes of a value -> its bits, whole


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
        drawn = words.view(torch.int16)[: x.numel()]
        kept = drawn.lt_(keep - 32768) if keep < 65536 else drawn.fill_(1)  # 1 or 0, in place
        noise = _times(kept, torch.tensor(65536 / keep, dtype=x.dtype))
        dense = torch.empty_like(x, memory_format=torch.preserve_format)
        return x * noise.as_strided(dense.shape, dense.stride())


def _times(kept: Tensor, scale: Tensor) -> Tensor:
    """1 or 0 (int16, overwritten) times a scale, by its bits: conversions took longest."""
    bits = _BITS[scale.element_size()]
    return kept.to(bits).mul_(scale.view(bits)).view(scale.dtype)
