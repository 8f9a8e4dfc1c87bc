"""The on-chip buffers of an array, and the smallest tile that it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from cgap_hw.chips.chip import Chip
from cgap_hw.chips.values import within

Share = Annotated[float, within(0.001, 0.998)]


class Buffers(BaseModel):
    """Shares of the usable on-chip memory; each is a pair of halves (ping-pong).

    The shares follow Ma et al.'s VGG-16 design, where pixels take 8.18 and weights 9.44 of
    17.6 Mbit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_ratio: Share = 0.35
    weight_ratio: Share = 0.45
    output_ratio: Share = 0.2
    usable_ratio: Annotated[float, within(0.001, 1)] = 0.8

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = self.input_ratio + self.weight_ratio + self.output_ratio
        if total > 1 + 1e-9:  # decimal shares do not add up to the last bit
            raise ValueError(
                f"input_ratio, weight_ratio and output_ratio add up to {total:g}, at most 1"
            )
        return self

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
