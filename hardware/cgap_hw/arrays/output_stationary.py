"""Output-stationary Pox x Poy x Pof array of Ma et al. (FPGA'17, TVLSI'18, TCAD'20)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from cgap_hw.arrays.base import BaseArray, Grain, Values
from cgap_hw.table import LayerTable, ceil_div


class OutputStationary(BaseArray):
    """Every multiplier keeps one output pixel of one output channel until it is complete.

    Kernel window and input channels are walked one after the other: Nkx * Nky * Nif cycles a
    group of Pox x Poy x Pof outputs, edge tiles at their true number of groups. A linear layer
    uses one pixel lane of each output channel unless ``full_linear`` says that the weight
    buffer delivers a word to every multiplier.
    """

    style: Literal["output_stationary"] = "output_stationary"
    pox: int = Field(ge=1)
    poy: int = Field(ge=1)
    pof: int = Field(ge=1)
    full_linear: bool = False

    @property
    def n_macs(self) -> int:
        """Pox Poy Pof."""
        return self.pox * self.poy * self.pof

    @property
    def grain(self) -> Grain:
        """Poy rows and Pof channels."""
        return Grain(rows=self.poy, channels=self.pof)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Pox, Poy, Pof."""
        return (self.pox, self.poy, self.pof)

    def mac_cycles(self, t: LayerTable) -> Values:
        """``Nkx Nky Nif/G * G c(Nof/G, Pof) c(Nox, Pox) c(Noy, Poy)``."""
        groups_of = t.groups * ceil_div(t.n_of / t.groups, self.pof)
        pixels = ceil_div(t.ox, self.pox) * ceil_div(t.oy, self.poy)
        conv: Values = t.taps * (t.n_if / t.groups) * groups_of * pixels
        if not self.full_linear:
            return conv
        full = t.n_if * ceil_div(t.n_of, self.n_macs) * t.ox * t.oy
        return np.where(t.is_kind("linear"), full, conv)
