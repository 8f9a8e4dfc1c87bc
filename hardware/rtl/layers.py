"""Layers that the arrays run: sizes, tensors drawn at random, and the results, in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Conv:
    """Sizes of one convolution; a linear layer is a kernel of one row over a map of one row."""

    n_in: int
    n_out: int
    in_h: int
    in_w: int
    k_h: int
    k_w: int
    s_h: int = 1
    s_w: int = 1
    pad_h: int = 0
    pad_w: int = 0
    groups: int = 1

    @classmethod
    def linear(cls, n_in: int, n_out: int) -> Conv:
        """Return a linear layer as the array runs it: its inputs side by side in one row."""
        return cls(n_in=1, n_out=n_out, in_h=1, in_w=n_in, k_h=1, k_w=n_in)

    @property
    def out_h(self) -> int:
        """Output rows (PyTorch's floor)."""
        return (self.in_h + 2 * self.pad_h - self.k_h) // self.s_h + 1

    @property
    def out_w(self) -> int:
        """Output columns (PyTorch's floor)."""
        return (self.in_w + 2 * self.pad_w - self.k_w) // self.s_w + 1

    @property
    def if_g(self) -> int:
        """Input channels of a group."""
        return self.n_in // self.groups

    @property
    def of_g(self) -> int:
        """Output channels of a group."""
        return self.n_out // self.groups

    @property
    def depth(self) -> int:
        """Products of one output value: Nif/G * Nkx * Nky."""
        return self.if_g * self.k_h * self.k_w


@dataclass(frozen=True)
class Tensors:
    """Operands of one layer, integers.

    ``pixels: (n_in, in_h, in_w)``, ``weights: (n_out, n_in / groups, k_h, k_w)``,
    ``bias: (n_out,)`` in units of the sum, ``shift: (n_out,)`` binary digits to drop.
    """

    pixels: Ints
    weights: Ints
    bias: Ints
    shift: Ints
    relu: bool = False


def random_layer(rng: np.random.Generator, largest: int = 14) -> Conv:
    """Draw a layer: kernel 1-7, stride 1-3, odd channels, grouped, depthwise or linear ones."""
    if rng.random() < 0.08:
        return Conv.linear(int(rng.integers(1, 80)), int(rng.integers(1, 20)))
    k_h, k_w = (int(k) for k in rng.integers(1, 8, 2))
    if rng.random() < 0.6:
        k_w = k_h

    s_h, s_w = (int(s) for s in rng.choice([1, 1, 1, 2, 2, 3], 2))
    pad_h, pad_w = int(rng.integers(0, k_h)), int(rng.integers(0, k_w))
    in_h = int(rng.integers(max(1, k_h - 2 * pad_h), largest + 1))
    in_w = int(rng.integers(max(1, k_w - 2 * pad_w), largest + 1))

    kind = rng.random()
    groups = int(rng.integers(2, 9)) if kind < 0.3 else 1
    if kind < 0.15:  # depthwise, sometimes with a multiplier
        n_in, n_out = groups, groups * int(rng.choice([1, 1, 2]))
    else:
        n_in, n_out = (groups * int(n) for n in rng.integers(1, 20 // groups + 2, 2))
    return Conv(n_in, n_out, in_h, in_w, k_h, k_w, s_h, s_w, pad_h, pad_w, groups)


def random_tensors(rng: np.random.Generator, layer: Conv, bits: int = 8) -> Tensors:
    """Draw operands over the full range of ``bits``, with shifts that saturate some results."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    spread = int(np.log2(layer.depth * 2 ** (2 * bits - 3)) / 2)
    n_shift = max(0, spread - bits // 2) + rng.integers(0, bits, layer.n_out)
    return Tensors(
        pixels=rng.integers(low, high, (layer.n_in, layer.in_h, layer.in_w)),
        weights=rng.integers(low, high, (layer.n_out, layer.if_g, layer.k_h, layer.k_w)),
        bias=rng.integers(-(2**16), 2**16, layer.n_out),
        shift=n_shift,
        relu=bool(rng.random() < 0.3),
    )


def convolve(layer: Conv, operands: Tensors) -> Ints:
    """Return the sums, bias included: ``(n_out, out_h, out_w)`` (independent of the array)."""
    rows = ((0, 0), (layer.pad_h, layer.pad_h), (layer.pad_w, layer.pad_w))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(operands.pixels, rows), (layer.k_h, layer.k_w), axis=(1, 2)
    )[:, :: layer.s_h, :: layer.s_w]
    grouped = windows.reshape(layer.groups, layer.if_g, *windows.shape[1:])
    kernels = operands.weights.reshape(layer.groups, layer.of_g, *operands.weights.shape[1:])
    sums = np.einsum("gcyxij,gfcij->gfyx", grouped, kernels).reshape(
        layer.n_out, *windows.shape[1:3]
    )
    return np.asarray(sums + operands.bias[:, None, None], dtype=np.int64)


def requantise(sums: Ints, shift: Ints, relu: bool, bits: int = 8) -> Ints:
    """Divide by ``2 ** shift`` rounding halves up, clip below at 0 if ``relu``, saturate."""
    digits = shift[:, None, None]
    half = np.where(digits > 0, np.left_shift(np.int64(1), np.maximum(digits - 1, 0)), 0)
    scaled = (sums + half) >> digits
    low = 0 if relu else -(2 ** (bits - 1))
    return np.asarray(np.clip(scaled, low, 2 ** (bits - 1) - 1), dtype=np.int64)


def reference(layer: Conv, operands: Tensors, bits: int = 8) -> Ints:
    """Return what the array must compute: ``(n_out, out_h, out_w)`` integers of ``bits``."""
    return requantise(convolve(layer, operands), operands.shift, operands.relu, bits)
