"""Output-stationary Pox x Poy x Pof array of Ma et al. (FPGA'17, TVLSI'18, TCAD'20)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from cgap_hw.arrays.base import BaseArray, Lanes
from cgap_hw.arrays.buffers import Grain
from cgap_hw.arrays.controller import Controller, TiledTraffic, tiled_traffic
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.chips.chip import Chip, Dram
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Values, ceil_div


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
    pox: Lanes
    poy: Lanes
    pof: Lanes
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

        The least is Poy with a ``controller``, else 1. Outputs of one line (tokens) fill the
        lanes of both axes: ``c(Nox Noy, Pox Poy)``; the controller of the RTL leaves them.
        """
        groups_of = t.groups * ceil_div(t.n_of / t.groups, self.pof)
        pixels = ceil_div(t.ox, self.pox) * ceil_div(t.oy, self.poy)
        line = t.one_line
        if line.any() and self.controller is None:
            lanes = self.pox * self.poy
            pixels = np.where(line, ceil_div(t.ox * t.oy, lanes), pixels)
        depth = np.maximum(t.taps * (t.n_if / t.groups), self.poy if self.controller else 1)
        conv: Values = depth * groups_of * pixels
        if not self.full_linear:
            return conv
        full = t.n_if * ceil_div(t.n_of, self.n_macs) * t.ox * t.oy
        return np.where(t.is_kind("linear"), full, conv)

    def sized(self, pox: Any, poy: Any, pof: Any) -> Self:
        """The same array at other sizes.

        Each may be a column with a row a design, (designs, 1): every formula then broadcasts,
        and gives (designs, L) for L layers.
        """
        return self.model_copy(update={"pox": pox, "poy": poy, "pof": pof})

    def dsp_macs(self, bits: int, per_dsp: float) -> Any:
        """DSP blocks for the multipliers; `hardware/rtl` puts no two into one block."""
        return super().dsp_macs(bits, min(per_dsp, 1) if self.controller else per_dsp)

    def refuse_work(self, layers: Sequence[LayerShape], bits: int) -> None:
        """With a ``controller``: other widths and dilated layers, which the RTL has not."""
        if self.controller is not None:
            self.controller.refuse_work(layers, bits)

    def traffic(self, t: LayerTable, chip: Chip, bits: int) -> Traffic:
        """What every layer moves; with a ``controller``, by the tiles that it runs."""
        control = self.controller
        if control is None:
            return super().traffic(t, chip, bits)
        machine = control.machine(self.pox, self.poy, self.pof, bits)
        port = control.port(chip.dram, self.clock_mhz)
        return tiled_traffic(self.volumes(t, chip, bits), chip.dram, machine, port)

    def layer_ns(
        self, t: LayerTable, moved: Traffic, dram: Dram, cycles: Values
    ) -> tuple[Values, Values, Values]:
        """As on any array; with a ``controller``, the sum over the steps of its tiles."""
        latency, compute, transfer = super().layer_ns(t, moved, dram, cycles)
        if isinstance(moved, TiledTraffic):
            ns = 1e3 / self.clock_mhz
            latency, transfer = latency.copy(), transfer.copy()
            for i, line in enumerate(moved.timelines()):
                if line:
                    latency[i] = line.total * ns + self.layer_overhead_ns
                    transfer[i] = line.port * ns
        return latency, compute, transfer

    def operand_ns(self, moved: Traffic, dram: Dram) -> Values:
        """As on any array; with a ``controller``, the cycles in which it holds the port."""
        times = super().operand_ns(moved, dram)
        if isinstance(moved, TiledTraffic):
            for i, line in enumerate(moved.timelines()):
                if line:
                    times[:, i] = np.array([line.pixels, line.weights, line.store])
        return times
