"""A chip and the DRAM at its side: what there is, how fast it is, what it burns."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from cgap_hw.chips.values import Range, Sourced, within

# Bits of one block: width 1024 x 18 (AMD), 512 x 40 (Intel); UltraRAM 4096 x 72.
BLOCK_BITS = {"RAMB18": 18 * 1024, "M20K": 20 * 1024}
URAM_BITS = 288 * 1024
GUARD_BITS = 2  # between two products in one multiplier, as AMD leaves (WP486)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(_Frozen):
    """What the FPGA has, and how many MACs of each width one DSP block makes a cycle."""

    dsp: Annotated[Sourced, within(1, 30000)]
    block_ram: Annotated[Sourced, within(1, 50000)]
    block_kind: Literal["RAMB18", "M20K"]
    uram: Annotated[Sourced, within(0, 10000)]
    lut: Annotated[Sourced, within(1000, 2e7)]
    macs_per_dsp_8_bits: Annotated[Sourced, within(0.1, 8)]
    macs_per_dsp_16_bits: Annotated[Sourced, within(0.1, 8)]

    @model_validator(mode="after")
    def _wide_words_cost_more(self) -> Self:
        narrow, wide = self.macs_per_dsp_8_bits.mid, self.macs_per_dsp_16_bits.mid
        if wide > narrow:
            raise ValueError(
                f"macs_per_dsp_16_bits: expected at most the {narrow:g} of 8 bits, got {wide:g}"
            )
        return self

    @property
    def on_chip_bits(self) -> float:
        """Bits of all block memories (middle values)."""
        return self.block_ram.mid * BLOCK_BITS[self.block_kind] + self.uram.mid * URAM_BITS

    def macs_per_dsp(self, bits: int) -> float:
        """MACs per DSP block and cycle at a word width (up to 32 bits).

        Words of up to 4 bits are packed: 4, 6 and 10 products of 4, 2 and 1 bits, in one 25 x
        18 or 27 x 18 multiplier as in two of 18 x 19 (arithmetic; 4 at 4 bits: AMD WP521).
        """
        if bits <= 4:
            return max(self.macs_per_dsp_8_bits.mid, float(packed_products(bits, 25, 18)))
        if bits <= 8:
            return self.macs_per_dsp_8_bits.mid
        if bits <= 18:
            return self.macs_per_dsp_16_bits.mid
        return self.macs_per_dsp_16_bits.mid / 4  # 32 x 32 bits take four of 18 (arithmetic)


class Dram(_Frozen):
    """External memory, one controller shared by reads and writes.

    A transfer of V bytes in n contiguous runs takes
    ``V / (efficiency * bandwidth) + n * run_overhead``. Where the maker of the controller
    states what it reaches with reads alone or writes alone (``stream_efficiency_ratio``), only
    as many bytes as go both ways alternate at ``efficiency_ratio``, the rest at that.
    """

    bandwidth_gbps: Annotated[Sourced, within(0.05, 2000)]
    efficiency_ratio: Annotated[Sourced, within(0.01, 1)]
    run_overhead_ns: Annotated[Sourced, within(0, 10000)]
    stream_efficiency_ratio: Annotated[Sourced, within(0.01, 1)] | None = None

    @property
    def bytes_per_ns(self) -> float:
        """Bytes a nanosecond on long runs."""
        return self.bandwidth_gbps.mid * self.efficiency_ratio.mid

    @property
    def stream_bytes_per_ns(self) -> float:
        """The same while nothing goes the other way."""
        stream = self.stream_efficiency_ratio
        if stream is None:
            return self.bytes_per_ns
        # Both may be columns: `evidence/constants_fit.py` tries many at once.
        best: float = np.maximum(stream.mid, self.efficiency_ratio.mid)
        return self.bandwidth_gbps.mid * best


class Energy(_Frozen):
    """Energy constants of the board; see `cgap_hw.price.energy` for the formula.

    ``idle_w`` is what the whole board draws with a design loaded and nothing to do (low: with
    no design); it is never part of the estimate, which is that of the fabric and the DRAM.
    """

    dram_rw_pj_per_bit: Annotated[Sourced, within(0, 1000)]
    dram_activate_pj: Annotated[Sourced, within(0, 1e6)]
    dram_background_mw: Annotated[Sourced, within(0, 1e5)]
    block_ram_pj_per_bit: Annotated[Sourced, within(0, 100)]
    mac_8_bits_pj: Annotated[Sourced, within(0, 1000)]
    mac_16_bits_pj: Annotated[Sourced, within(0, 1000)]
    static_w: Annotated[Sourced, within(0, 500)]
    idle_w: Annotated[Sourced, within(0, 1000)] | None = None

    def mac_pj(self, bits: int) -> Range:
        """One MAC at a word width; between 8 and 16 bits the nearest width above.

        Below 8 bits the energy falls at most with the square of the width, as that of a
        multiplier, and at least with the width, as that of an adder (Horowitz, ISSCC 2014).
        """
        if bits < 8:
            share = bits / 8
            at_8 = self.mac_8_bits_pj
            return Range(
                low=at_8.low * share**2, mid=at_8.mid * share**1.5, high=at_8.high * share
            )
        if bits == 8:
            return self.mac_8_bits_pj
        return self.mac_16_bits_pj.scaled(1.0 if bits <= 16 else (bits / 16) ** 2)


class Chip(_Frozen):
    """What an array is built of and works with; a board is a chip with a name and an array."""

    resources: Resources
    dram: Dram
    energy: Energy


def packed_products(bits: int, width: int, height: int) -> int:
    """Products of words of so many bits that one width x height multiplier makes at once.

    Several words lie in each operand, so far apart that no two of their products overlap
    (AMD WP486 for two at 8 bits, WP521 for two by two at 4 bits).

    >>> packed_products(8, 27, 18), packed_products(8, 25, 18), packed_products(4, 27, 18)
    (2, 1, 4)
    """
    field = 2 * bits + GUARD_BITS
    side = 1 + max(0, height - bits) // field
    return side * (1 + max(0, width - bits) // (side * field))
