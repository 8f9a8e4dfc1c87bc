"""The layers of a network as columns, so that formulas are written once for one and many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.numeric import Flags, Indices, Values

KINDS = ("conv", "linear", "matmul", "pool", "add", "concat", "elementwise")
_CODES = {kind: i for i, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class LayerTable:
    """Columns of length L (layers), float64 holding whole numbers (exact below 2**53).

    The names follow Ma et al.: ``n_if`` input channels, ``n_of`` output channels, ``ix iy``
    input and ``ox oy`` output width and height, ``kx ky`` kernel, ``sx sy`` stride. The items
    of a batch lie on top of each other, as one map so many times as high.
    """

    kind: Indices
    n_if: Values
    n_of: Values
    ix: Values
    iy: Values
    ox: Values
    oy: Values
    kx: Values
    ky: Values
    sx: Values
    sy: Values
    groups: Values
    n_inputs: Values
    span_x: Values  # columns a window covers, dilation included
    span_y: Values  # rows of the same
    pad_x: Values
    pad_y: Values
    n_stored: Values

    @classmethod
    def of(cls, layers: Sequence[LayerShape]) -> LayerTable:
        """Columns of a list of layers.

        Raises:
            CostModelError: No layers.
        """
        if not layers:
            raise CostModelError("a network needs at least one layer")
        columns = np.array([_row(s) for s in layers], dtype=np.float64).T
        return cls(columns[0].astype(np.int64), *columns[1:])

    def __len__(self) -> int:
        return len(self.kind)

    def is_kind(self, *kinds: str) -> Flags:
        """Which layers are of one of the kinds."""
        member = np.zeros(len(self), dtype=np.bool_)
        for kind in kinds:
            member |= self.kind == _CODES[kind]
        return member

    @property
    def computes(self) -> Flags:
        """Convolutions, linear layers and matrix products."""
        return self.kind <= _CODES["matmul"]

    @property
    def taps(self) -> Values:
        """Kernel positions."""
        return self.kx * self.ky

    @property
    def weights(self) -> Values:
        """Words that maps are multiplied with; two per channel for an elementwise pass."""
        dense = self.n_if / self.groups * self.n_of * self.taps
        scale = np.where(self.kind == _CODES["elementwise"], 2 * self.n_of, 0.0)
        return np.where(self.computes, dense, scale)

    @property
    def stored_weights(self) -> Values:
        """Those of them that are the same in every inference."""
        return np.where(self.is_kind("matmul"), self.n_stored, self.weights)

    @property
    def macs(self) -> Values:
        """Multiply-adds."""
        dense = self.n_if / self.groups * self.n_of * self.taps * self.ox * self.oy
        return np.where(self.computes, dense, 0.0)

    @property
    def one_line(self) -> Flags:
        """Whose outputs lie in one row or column and have no neighbours: tokens, items.

        They may lie in memory in rows of any length, so that they fill lanes of both axes.
        """
        plain = self.computes & (self.taps == 1) & (self.sx == 1) & (self.sy == 1)
        lies: Flags = plain & ((self.ox == 1) | (self.oy == 1))
        return lies

    @property
    def pixels_out(self) -> Values:
        """Words of the output map."""
        return self.n_of * self.ox * self.oy

    @property
    def lane_operations(self) -> Values:
        """Comparisons, sums or scalings of a layer that does not multiply weights."""
        extra = np.where(self.is_kind("add"), self.n_inputs - 1, 1.0)
        work = np.where(self.is_kind("pool"), self.taps, extra)
        idle = self.computes | self.is_kind("concat")
        return np.where(idle, 0.0, self.pixels_out * work)


def _row(s: LayerShape) -> tuple[float, ...]:
    """One layer, in the order of the columns of `LayerTable`."""
    return (
        _CODES[s.kind],
        s.n_in,
        s.n_out,
        s.in_w,
        s.in_h * s.batch,
        s.out_w,
        s.out_h * s.batch,
        s.kernel_w,
        s.kernel_h,
        s.stride_w,
        s.stride_h,
        s.groups,
        s.n_inputs,
        s.span_w,
        s.span_h,
        s.padding_w,
        s.padding_h,
        s.n_stored,
    )
