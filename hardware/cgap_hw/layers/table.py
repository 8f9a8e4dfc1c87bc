"""The layers of a network as columns, so that formulas are written once for one and many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape

Array1 = npt.NDArray[Any]
KINDS = ("conv", "linear", "pool", "add", "concat", "elementwise")
_CODES = {kind: i for i, kind in enumerate(KINDS)}


def ceil_div(a: Any, b: Any) -> Any:
    """Ceiling of a / b for whole numbers; floats stay floats.

    Floats are divided and rounded up: exact below 2**53, and ten times as fast as NumPy's
    floor division.
    """
    if not isinstance(a, int) and np.result_type(a, b).kind == "f":
        return np.ceil(a / b)
    return -(-a // b)


@dataclass(frozen=True)
class LayerTable:
    """Columns of length L (layers), float64 holding whole numbers (exact below 2**53).

    The names follow Ma et al.: ``n_if`` input channels, ``n_of`` output channels, ``ix iy``
    input and ``ox oy`` output width and height, ``kx ky`` kernel, ``sx sy`` stride.
    """

    kind: npt.NDArray[np.int64]
    n_if: Array1
    n_of: Array1
    ix: Array1
    iy: Array1
    ox: Array1
    oy: Array1
    kx: Array1
    ky: Array1
    sx: Array1
    sy: Array1
    groups: Array1
    n_inputs: Array1
    span_y: Array1  # rows a window covers, dilation included
    pad_x: Array1
    pad_y: Array1
    average: Array1  # 1 for average pools

    @classmethod
    def of(cls, layers: Sequence[LayerShape]) -> LayerTable:
        """Columns of a list of layers.

        Raises:
            CostModelError: No layers.
        """
        if not layers:
            raise CostModelError("a network needs at least one layer")
        rows = [
            (
                _CODES[s.kind], s.n_in, s.n_out, s.in_w, s.in_h, s.out_w, s.out_h,
                s.kernel_w, s.kernel_h, s.stride_w, s.stride_h, s.groups, s.n_inputs,
                (s.kernel_h - 1) * s.dilation_h + 1, s.padding_w, s.padding_h,
                float(s.pool_kind == "avg"),
            )
            for s in layers
        ]  # fmt: skip
        columns = np.array(rows, dtype=np.float64).T
        return cls(columns[0].astype(np.int64), *columns[1:])

    def __len__(self) -> int:
        return len(self.kind)

    @staticmethod
    def code(kind: str) -> int:
        """How a kind is written in the column `kind`."""
        return _CODES[kind]

    def is_kind(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Which layers are of one of the kinds."""
        found = np.zeros(len(self), dtype=np.bool_)
        for kind in kinds:
            found |= self.kind == _CODES[kind]
        return found

    @property
    def computes(self) -> npt.NDArray[np.bool_]:
        """Convolutions and linear layers."""
        return self.kind <= 1

    @property
    def taps(self) -> Array1:
        """Kernel positions."""
        return self.kx * self.ky

    @property
    def weights(self) -> Array1:
        """Weight words; two per channel for an elementwise pass."""
        dense = self.n_if / self.groups * self.n_of * self.taps
        scale = np.where(self.kind == _CODES["elementwise"], 2 * self.n_of, 0.0)
        return np.where(self.computes, dense, scale)

    @property
    def macs(self) -> Array1:
        """Multiply-adds."""
        dense = self.n_if / self.groups * self.n_of * self.taps * self.ox * self.oy
        return np.where(self.computes, dense, 0.0)

    @property
    def pixels_out(self) -> Array1:
        """Words of the output map."""
        return self.n_of * self.ox * self.oy

    @property
    def lane_operations(self) -> Array1:
        """Comparisons, sums or scalings of a layer that does not multiply weights."""
        extra = np.where(self.is_kind("add"), self.n_inputs - 1, 1.0)
        work = np.where(self.is_kind("pool"), self.taps, extra)
        idle = self.computes | self.is_kind("concat")
        return np.where(idle, 0.0, self.pixels_out * work)
