"""DSP blocks, on-chip memory and LUTs of an array, and whether a board has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays import BaseArray, OutputStationary
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.price.banks import LargestMaps, buffer_banks, placed

# Fitted (least squares) to CHaiDNN's LUTs against its DSP blocks on the ZU9: four sizes of 442
# to 1352 DSP blocks, worst error 1.4 %. On the ZU7, not fitted, it is 34 to 43 % too high: the
# slope carries over (64 to 67), the fixed part is that of the larger design.
LUT_BASE, LUT_PER_DSP = 78_314.0, 61.4
LUT_PER_LOGIC_MAC = 60.0  # an 8 x 8 multiplier in logic: about 60 (assumed)
HEADROOM = {"dsp": 0.8, "block_ram": 0.8, "uram": 0.8, "lut": 0.7}


@dataclass(frozen=True)
class Usage:
    """What an array uses: DSP and memory blocks are exact, the LUTs fitted."""

    dsp: int
    block_ram: int
    uram: int
    lut: float
    logic_macs: int
    ratios: dict[str, float]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is above the share up to which designs usually route."""
        return tuple(
            f"{name} {100 * ratio:.0f} % is above the usual {100 * HEADROOM[name]:.0f} %"
            for name, ratio in self.ratios.items()
            if ratio > HEADROOM[name]
        )


def usage(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int = 8
) -> Usage:
    """What the array and its buffers use on a board, for a network.

    Buffers go into block RAM or UltraRAM, whichever choice leaves the most of both.

    Raises:
        CostModelError: More DSP or memory blocks than the board has; named. The LUTs are only
            a fit, so they warn.

    >>> from cgap_hw import LayerShape, load_board
    >>> board, head = load_board("zcu102"), LayerShape(name="h", kind="linear", n_in=9, n_out=2)
    >>> usage([head], board, board.array).dsp
    768
    """
    has = board.resources
    dsp = int(dsp_blocks(array, board, bits))
    banks = buffer_banks(LargestMaps.of(layers, bits), board, array, bits)
    kind = has.block_kind
    ram, uram = placed([b.blocks(kind) for b in banks], [b.uram for b in banks], has)

    lut = LUT_BASE + LUT_PER_DSP * dsp + LUT_PER_LOGIC_MAC * array.logic_macs
    limits = {
        "dsp": (float(dsp), has.dsp.mid),
        "block_ram": (float(ram), has.block_ram.mid),
        "uram": (float(uram), has.uram.mid),
        "lut": (lut, has.lut.mid),
    }

    for name, (used, there) in limits.items():
        if used > there and name != "lut":  # fitted: it warns, exact counts refuse
            raise CostModelError(
                f"{board.name} has {there:.0f} {name}, and this array needs {used:.0f}"
            )
    ratios = {name: used / there if there else 0.0 for name, (used, there) in limits.items()}
    return Usage(dsp, int(ram), int(uram), lut, array.logic_macs, ratios)


def dsp_blocks(array: BaseArray, board: Board, bits: int) -> Any:
    """DSP blocks of an array; its sizes may be columns."""
    per_dsp = board.resources.macs_per_dsp(bits)
    in_logic = int(array.logic_macs / max(per_dsp, 1))
    return np.maximum(array.dsp_macs(bits, per_dsp) - in_logic, 0)
