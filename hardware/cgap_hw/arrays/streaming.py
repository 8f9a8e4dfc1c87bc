"""One engine a layer (FINN, hls4ml): all layers at work at once, each on another row."""

from __future__ import annotations

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
    the MACs, within ``budget``; PE divides MH and SIMD divides MW.
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
        """Folding of every layer for the same rate; PE SIMD multipliers each."""
        shares = np.maximum(1.0, np.floor(self.budget * t.macs / max(t.macs.sum(), 1.0)))
        used = t.computes.sum()
        if used > self.budget:
            raise CostModelError(
                f"{used} layers need at least as many multipliers, not {self.budget}"
            )
        # Rounding up the small ones may overdraw the budget: then everybody gives one back.
        shares = np.where(shares.sum() > self.budget, np.maximum(1, shares - 1), shares)

        cycles = np.zeros(len(t))
        for i in np.flatnonzero(t.computes):
            height, width = int(t.n_of[i]), int(t.taps[i] * t.n_if[i] / t.groups[i])
            pe, simd = best_folding(height, width, int(shares[i]))
            cycles[i] = height // pe * (width // simd) * t.ox[i] * t.oy[i]
        return cycles

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """Until a layer's first result: it needs one window of rows of the layer before."""
        compute = cycles * 1e3 / self.clock_mhz
        ready = np.minimum(t.ky, t.oy) / t.oy  # share of its work before the next may start
        return (
            np.where(np.arange(len(t)) < len(t) - 1, compute * ready, compute),
            compute,
            0 * compute,
        )

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
        first, last = np.zeros(len(t)), np.zeros(len(t))
        first[0], last[-1] = 1.0, 1.0
        return moved.only(first, last)

    def network_ns(self, latency_ns: Values) -> tuple[float, float]:
        """The sum of the fills; images follow at the rate of the slowest engine."""
        return float(latency_ns.sum()), float(latency_ns.max())


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
