"""AMD's DPU as it is sold: eight sizes, and what each takes of a chip."""

from __future__ import annotations

from typing import NamedTuple


class DpuSize(NamedTuple):
    """Lanes and resources of one core.

    Attributes:
        pixels: PP.
        channels: ICP and OCP.
        dsp: DSP blocks.
        lut: LUTs.
        bram36: Block RAM of 36 Kbit.
    """

    pixels: int
    channels: int
    dsp: int
    lut: int
    bram36: float


# AMD, PG338 v1.2 (2019), table 9: high DSP usage, on the ZCU102, without depthwise and average
# pooling; later releases add up to 18 % of LUTs and 8 % of DSP blocks for these.
DPU_SIZES = {
    "B512": DpuSize(4, 8, 98, 20177, 69.5),
    "B800": DpuSize(4, 10, 142, 20617, 87),
    "B1024": DpuSize(8, 8, 194, 27377, 101.5),
    "B1152": DpuSize(4, 12, 194, 28698, 117.5),
    "B1600": DpuSize(8, 10, 282, 30877, 123),
    "B2304": DpuSize(8, 12, 386, 34379, 161.5),
    "B3136": DpuSize(8, 14, 506, 38555, 203.5),
    "B4096": DpuSize(8, 16, 642, 40865, 249.5),
}


def dpu_size(pixels: int, inputs: int, outputs: int) -> DpuSize | None:
    """The published size with these lanes, if there is one."""
    lanes = (pixels, inputs, outputs)
    sizes = (s for s in DPU_SIZES.values() if (s.pixels, s.channels, s.channels) == lanes)
    return next(sizes, None)
