"""Tm x Tn array over output and input channels (Zhang et al., FPGA 2015)."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.chips.values import within
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div


class UnrolledChannels(BaseArray):
    """Tm output channels times Tn input channels a cycle, one pixel and one tap at a time."""

    style: Literal["unrolled_channels"] = "unrolled_channels"
    tm: Lanes
    tn: Lanes
    pipeline_cycles: Annotated[int, within(0, 100000)] = 20

    @property
    def n_macs(self) -> int:
        """Tm Tn."""
        return self.tm * self.tn

    @property
    def grain(self) -> Grain:
        """One row and Tm channels."""
        return Grain(rows=1, channels=self.tm)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Tm, Tn."""
        return (self.tm, self.tn)

    def mac_cycles(self, t: LayerTable) -> Values:
        """``c(Nof, Tm) c(Nif, Tn) (Nox Noy Nkx Nky + pipeline)``.

        The pipeline is filled anew in every pass over the input channels, where there is more
        than one (their published cycle counts).
        """
        of, depth = t.n_of / t.groups, t.n_if / t.groups
        passes = ceil_div(depth, self.tn)
        fill = np.where(passes > 1, self.pipeline_cycles, 0)
        inner = t.ox * t.oy * t.taps + fill
        cycles: Values = t.groups * ceil_div(of, self.tm) * passes * inner
        return cycles
