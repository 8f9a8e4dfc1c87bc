"""Systolic R x C array: output, weight or input stationary."""

from __future__ import annotations

import enum
from typing import Literal

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div


class Dataflow(enum.StrEnum):
    """Which operand stays in the cells."""

    OUTPUT = "output"
    WEIGHT = "weight"
    INPUT = "input"


class Systolic(BaseArray):
    """R x C cells that pass operands to their neighbours; skewed in, so filled R + C - 2 late.

    With K = Nkx Nky Nif, px = Nox Noy and F = Nof (closed forms equal to SCALE-Sim 3.0.0 plus
    the one cycle that it leaves out):

    * output stationary: c(px, R) c(F, C) (K + R + C - 2)
    * weight stationary: c(K, R) c(F, C) (px + 2R + C - 2)
    * input stationary: c(K, R) c(px, C) (F + 2R + C - 2)
    """

    style: Literal["systolic"] = "systolic"
    rows: Lanes
    columns: Lanes
    dataflow: Dataflow = Dataflow.WEIGHT

    @property
    def n_macs(self) -> int:
        """R C."""
        return self.rows * self.columns

    @property
    def grain(self) -> Grain:
        """One row of pixels and C output channels."""
        return Grain(rows=1, channels=self.columns)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """R, C."""
        return (self.rows, self.columns)

    def mac_cycles(self, t: LayerTable) -> Values:
        """The closed forms above, each group on its own."""
        r, c = self.rows, self.columns
        depth, pixels, filters = t.taps * t.n_if / t.groups, t.ox * t.oy, t.n_of / t.groups
        if self.dataflow == Dataflow.OUTPUT:
            folds = ceil_div(pixels, r) * ceil_div(filters, c)
            cycles: Values = folds * (depth + r + c - 2)
        elif self.dataflow == Dataflow.WEIGHT:
            cycles = ceil_div(depth, r) * ceil_div(filters, c) * (pixels + 2 * r + c - 2)
        else:
            cycles = ceil_div(depth, r) * ceil_div(pixels, c) * (filters + 2 * r + c - 2)
        return t.groups * cycles
