"""The on-chip buffers of an array, and the smallest tile that it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cgap_hw.chips.chip import Chip


class Buffers(BaseModel):
    """Shares of the usable on-chip memory; each is a pair of halves (ping-pong).

    The shares follow Ma et al.'s VGG-16 design, where pixels take 8.18 and weights 9.44 of
    17.6 Mbit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_ratio: float = Field(default=0.35, gt=0, lt=1)
    weight_ratio: float = Field(default=0.45, gt=0, lt=1)
    output_ratio: float = Field(default=0.2, gt=0, lt=1)
    usable_ratio: float = Field(default=0.8, gt=0, le=1)

    def half(self, chip: Chip) -> BufferBits:
        """The bits of one half of each pair on a chip."""
        half = chip.resources.on_chip_bits * self.usable_ratio / 2
        return BufferBits(
            half * self.input_ratio, half * self.weight_ratio, half * self.output_ratio
        )


@dataclass(frozen=True)
class BufferBits:
    """One half of each ping-pong buffer, in bits."""

    pixels: float
    weights: float
    outputs: float


@dataclass(frozen=True)
class Grain:
    """The smallest tile: rows of output pixels and output channels.

    Numbers, or columns with a row a design.
    """

    rows: Any
    channels: Any
