"""Sizes that every tile order starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays.buffers import BufferBits, Grain
from cgap_hw.layers.table import LayerTable


@dataclass(frozen=True)
class Volumes:
    """Words of a layer, halves of the buffers and the tile grain."""

    t: LayerTable
    bits: int
    half: BufferBits
    grain: Grain

    @property
    def row_bits(self) -> Any:
        """One row of one input channel, as it lies in memory."""
        return self.t.ix * self.bits

    @property
    def depth(self) -> Any:
        """Input channels that one output channel reads."""
        return self.t.n_if / self.t.groups

    @property
    def least_rows(self) -> Any:
        """Output rows of the smallest tile."""
        return np.minimum(self.grain.rows, self.t.oy)

    @property
    def least_channels(self) -> Any:
        """Output channels of the smallest tile."""
        return np.minimum(self.grain.channels, self.t.n_of)

    @property
    def row_step(self) -> Any:
        """Input rows that each further output row adds.

        That is the stride, but never more than a window: of a stride beyond the kernel the
        rows between two windows are read by nobody.
        """
        return np.minimum(self.t.sy, self.t.span_y)

    def window_rows(self, out_rows: Any) -> Any:
        """Input rows under a number of output rows, at most the map's."""
        return np.minimum((out_rows - 1) * self.row_step + self.t.span_y, self.t.iy)

    def pixel_rows(self, n_rows: Any) -> Any:
        """Input rows read in one pass over the map in n tiles.

        The windows of two neighbouring tiles overlap by kernel minus stride: that halo is read
        again at each of the n - 1 borders.
        """
        halo = np.maximum(self.t.span_y - self.t.sy, 0) * (n_rows - 1)
        return self.window_rows(self.t.oy) + halo
