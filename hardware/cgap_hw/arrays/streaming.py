"""One engine a layer (FINN, hls4ml): all layers at work at once, each on another row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import model_validator

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.buffers import Grain
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Chip, Dram
from cgap_hw.chips.values import within
from cgap_hw.errors import CostModelError
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values


class Streaming(BaseArray):
    """A matrix-vector unit per layer with PE rows and SIMD columns; weights stay on chip.

    Cycles of a layer: (MH / PE) (MW / SIMD) vectors, with MH = Nof, MW = Nkx Nky Nif and
    vectors = Nox Noy (FINN). The folding gives every layer as many multipliers as its share of
    the MACs, all of them together within ``budget``; PE divides MH and SIMD divides MW.

    Images follow at the pace of the slowest engine or transfer (FINN's initiation interval).
    Only the network's input and output cross the DRAM port. The layers are taken as a chain in
    the order of the list: branches wait for one another. A layer's latency is what it adds to
    that of one image, from the end of the layer before to its own; it has no price alone.
    """

    style: Literal["streaming"] = "streaming"
    budget: Annotated[int, within(1, 1e6)]
    shared_port: bool = False

    @model_validator(mode="after")
    def _own_ports(self) -> Self:
        if self.shared_port:
            raise ValueError("a streaming design reads and writes through ports of its own")
        return self

    @property
    def n_macs(self) -> int:
        """Multipliers of all engines together, at most."""
        return self.budget

    @property
    def grain(self) -> Grain:
        """One row and one channel."""
        return Grain(rows=1, channels=1)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The budget of multipliers."""
        return (self.budget,)

    def mac_cycles(self, t: LayerTable) -> Values:
        """Folding of every layer for the same rate; PE SIMD multipliers each.

        Raises:
            CostModelError: More layers that compute than multipliers.
        """
        places = np.flatnonzero(t.computes)
        if len(places) > self.budget:
            raise CostModelError(
                f"{len(places)} layers need at least as many multipliers, not {self.budget}"
            )

        cycles = np.zeros(len(t))
        shares = shared_out(self.budget, [int(macs) for macs in t.macs[places]])
        for i, multipliers in zip(places, shares, strict=True):
            height, width = int(t.n_of[i]), int(t.taps[i] * t.n_if[i] / t.groups[i])
            pe, simd = best_folding(height, width, multipliers)
            cycles[i] = height // pe * (width // simd) * t.ox[i] * t.oy[i]
        return cycles

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """What each layer adds to the time of one image; computing and transfer times."""
        compute = cycles * 1e3 / self.clock_mhz
        transfer, _ = self.moving_ns(moved, dram)
        ends = ends_ns(np.maximum(compute, transfer), first_window(t), 1 / t.oy)
        return np.diff(ends, prepend=0.0), compute, transfer

    def traffic(self, t: LayerTable, chip: Chip, bits: int) -> Traffic:
        """The network's input and output; nothing else leaves the chip.

        Raises:
            CostModelError: The weights do not fit on chip.
        """
        stored, room = float(t.weights.sum()) * bits, chip.resources.on_chip_bits
        if stored > room:
            raise CostModelError(
                f"a streaming design keeps its weights on chip: at {bits} bits they take"
                f" {stored / 8e6:.2f} MB, and all memory blocks have {room / 8e6:.2f}"
            )
        moved = super().traffic(t, chip, bits)
        # An engine keeps the rows of its windows: no tiles, so nothing is read again.
        once = np.ceil(t.n_if * t.ix * t.iy * bits / 512) * 64
        pixels = np.where(t.computes, np.minimum(moved.pixel_bytes, once), moved.pixel_bytes)

        first, last = np.zeros(len(t)), np.zeros(len(t))
        first[0], last[-1] = 1.0, 1.0
        return replace(moved, pixel_bytes=pixels).only(first, last)

    def network_ns(self, latency_ns: Values, busy_ns: Values) -> tuple[float, float]:
        """Until the last layer's end; images follow at the pace of the slowest engine."""
        return float(latency_ns.sum()), float(busy_ns.max())


def first_window(t: LayerTable) -> Values:
    """Share of its input that a layer needs before it starts, (L,): the rows of one window.

    A product of two maps needs all of the second one.
    """
    of_maps = t.is_kind("matmul") & (t.n_stored == 0)
    return np.where(of_maps, 1.0, np.minimum(t.span_y / t.iy, 1.0))


def ends_ns(busy: Values, needed: Values, row: Values) -> Values:
    """When every layer of a chain ends one image, in ns from the start of the first; (L,).

    A layer has done a share of its work no earlier than its start and its own speed allow, and
    no earlier than one row after the layer before has done that share of its own.

    Args:
        busy: Work of every layer in ns, without waiting.
        needed: Share of the work of the layer before that it waits for.
        row: Share of one row of outputs in its work.

    >>> ones = np.ones(2)
    >>> ends_ns(np.array([100.0, 40.0]), ones / 4, ones / 10).tolist()
    [100.0, 104.0]
    """
    shares = np.append(needed, 1.0)
    done, ends = np.zeros(len(shares)), np.empty(len(busy))  # done: when each share was, so far
    for i, work in enumerate(busy):
        start = done[i]
        done = np.maximum(start + shares * work, done + row[i] * work)
        ends[i] = done[-1]
    return ends


def shared_out(budget: int, macs: Sequence[int]) -> list[int]:
    """Multipliers by the share of the MACs: one a layer at least, the budget all together.

    Layers whose share is less than one get one; the others share what is left, rounded down.

    >>> shared_out(10, [900, 50, 50])
    [8, 1, 1]
    """
    small: set[int] = set()
    while True:
        left = budget - len(small)
        total = sum(n for i, n in enumerate(macs) if i not in small)
        fewer = {i for i, n in enumerate(macs) if i not in small and left * n < total}
        if not fewer:
            return [1 if i in small else left * n // total for i, n in enumerate(macs)]
        small |= fewer


def best_folding(height: int, width: int, multipliers: int) -> tuple[int, int]:
    """Divisors PE of the height and SIMD of the width with the largest product allowed."""
    pairs = (
        (pe, simd)
        for pe in _divisors(height)
        if pe <= multipliers
        for simd in _divisors(width)
        if pe * simd <= multipliers
    )
    return max(pairs, key=lambda pair: (pair[0] * pair[1], pair[1]))


def _divisors(n: int) -> list[int]:
    small = [i for i in range(1, int(n**0.5) + 1) if n % i == 0]
    return sorted({*small, *(n // i for i in small)})
