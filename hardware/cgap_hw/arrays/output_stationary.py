"""Output-stationary Pox x Poy x Pof array of Ma et al. (FPGA'17, TVLSI'18, TCAD'20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from cgap_hw.arrays.base import BaseArray, Grain, Values
from cgap_hw.arrays.lock_stepped import (
    Controller,
    PlannedTraffic,
    planned_traffic,
    schedules,
)
from cgap_hw.arrays.memory import Traffic
from cgap_hw.errors import CostModelError
from cgap_hw.layers.table import LayerTable, ceil_div

if TYPE_CHECKING:
    from cgap_hw.boards.board import Board, Memory


class OutputStationary(BaseArray):
    """Every multiplier keeps one output pixel of one output channel until it is complete.

    Kernel window and input channels are walked one after the other: Nkx * Nky * Nif cycles a
    group of Pox x Poy x Pof outputs, edge tiles at their true number of groups. A linear layer
    uses one pixel lane of each output channel unless ``full_linear`` says that the weight
    buffer delivers a word to every multiplier.

    With a ``controller`` it is the machine of `hardware/rtl`: its rows leave one a cycle, so a
    pass takes at least Poy steps, and its latency follows the steps of its tiles.
    """

    style: Literal["output_stationary"] = "output_stationary"
    pox: int = Field(ge=1)
    poy: int = Field(ge=1)
    pof: int = Field(ge=1)
    full_linear: bool = False
    controller: Controller | None = None

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
        """``max(Nkx Nky Nif/G, least) * G c(Nof/G, Pof) c(Nox, Pox) c(Noy, Poy)``.

        The least is Poy with a ``controller``, else 1.
        """
        groups_of = t.groups * ceil_div(t.n_of / t.groups, self.pof)
        pixels = ceil_div(t.ox, self.pox) * ceil_div(t.oy, self.poy)
        depth = np.maximum(t.taps * (t.n_if / t.groups), self.poy if self.controller else 1)
        conv: Values = depth * groups_of * pixels
        if not self.full_linear:
            return conv
        full = t.n_if * ceil_div(t.n_of, self.n_macs) * t.ox * t.oy
        return np.where(t.is_kind("linear"), full, conv)

    def dsp_macs(self, bits: int, per_dsp: float) -> int:
        """DSP blocks for the multipliers; `hardware/rtl` puts no two into one block."""
        return super().dsp_macs(bits, min(per_dsp, 1) if self.controller else per_dsp)

    def traffic(
        self, t: LayerTable, board: Board, bits: int, by_energy: bool = False
    ) -> Traffic:
        """What every layer moves; with a ``controller``, by the tiles that it runs."""
        if self.controller is None:
            return super().traffic(t, board, bits, by_energy)
        if by_energy:
            raise CostModelError("the controller's tiles are chosen for latency, not energy")
        return planned_traffic(t, board, self, self.controller, bits)

    def layer_ns(
        self, t: LayerTable, moved: Traffic, memory: Memory, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """As on any array; with a ``controller``, the sum over the steps of its tiles."""
        latency, compute, transfer = super().layer_ns(t, moved, memory, cycles)
        if isinstance(moved, PlannedTraffic):
            ns = 1e3 / self.clock_mhz
            latency, transfer = latency.copy(), transfer.copy()
            for i, run in enumerate(schedules(moved)):
                if run:
                    latency[i] = run.total * ns + self.layer_overhead_ns
                    transfer[i] = run.port * ns
        return latency, compute, transfer

    def operand_ns(self, moved: Traffic, memory: Memory) -> Values:
        """As on any array; with a ``controller``, the cycles in which it holds the port."""
        times = super().operand_ns(moved, memory)
        if isinstance(moved, PlannedTraffic):
            for i, run in enumerate(schedules(moved)):
                if run:
                    times[:, i] = np.array([run.pixels, run.weights, run.store])
        return times
