"""DSP blocks, on-chip memory and LUTs of an array, and whether a board has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.arrays import AnyArray, BaseArray, Dpu, FlatArray, OutputStationary, Streaming
from cgap_hw.arrays.dpu_sizes import DPU_SIZES, dpu_size
from cgap_hw.boards.board import Board
from cgap_hw.chips.chip import BLOCK_BITS
from cgap_hw.chips.values import Range
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.numeric import ceil_div
from cgap_hw.price.banks import LargestMaps, buffer_banks, placed
from cgap_hw.price.luts import FITS, RTL, lut_estimate, why_unknown

HEADROOM = {"dsp": 0.8, "block_ram": 0.8, "uram": 0.8, "lut": 0.7}
DPU_LUT_RATIO = (1.0, 1.2)  # what the features of later releases add to the published LUTs


@dataclass(frozen=True)
class Usage:
    """What an array uses; None is unknown, and ``unknown`` says why.

    Attributes:
        lut: Low, middle and high: a fit.
        logic_macs: Multipliers built in logic.
        ratios: Known resource -> share of what the board has (LUTs: the middle).
    """

    dsp: int | None
    block_ram: int | None
    uram: int | None
    lut: Range | None
    logic_macs: int
    unknown: tuple[str, ...]
    ratios: dict[str, float]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is above the share up to which designs usually route."""
        return tuple(
            f"{name} {100 * ratio:.0f} % is above the usual {100 * HEADROOM[name]:.0f} %"
            for name, ratio in self.ratios.items()
            if ratio > HEADROOM[name]
        )


@dataclass(frozen=True)
class _Counts:
    """What is known of an array before it is compared with a board."""

    dsp: int | None = None
    block_ram: int | None = None
    uram: int | None = None
    lut: Range | None = None
    unknown: tuple[str, ...] = ()


def usage(layers: Sequence[LayerShape], board: Board, array: AnyArray, bits: int = 8) -> Usage:
    """What the array and its buffers use on a board, for a network.

    Of output-stationary arrays DSP and memory blocks are counted (buffers go into block RAM or
    UltraRAM, whichever leaves the most of both) and LUTs estimated within the range of
    `cgap_hw.price.luts`; the sizes of the DPU are published; of a streaming design the weights
    are counted; of other styles the DSP blocks, or nothing.

    Raises:
        CostModelError: More of something than the board has, of LUTs by their low estimate,
            or what the array cannot run; named.

    >>> from cgap_hw import LayerShape, load_board
    >>> board, head = load_board("zcu102"), LayerShape(name="h", kind="linear", n_in=9, n_out=2)
    >>> usage([head], board, board.array).dsp
    768
    """
    array.refuse_on(board)
    array.refuse_work(layers, bits)
    counts = _counts(layers, board, array, bits)
    has = board.resources
    used = {
        "dsp": (counts.dsp, has.dsp.mid),
        "block_ram": (counts.block_ram, has.block_ram.mid),
        "uram": (counts.uram, has.uram.mid),
        "lut": (counts.lut.low if counts.lut else None, has.lut.mid),
    }
    for name, (needed, there) in used.items():
        if needed is not None and needed > there:
            least = "at least " if name == "lut" else ""
            raise CostModelError(
                f"{board.name} has {there:.0f} {name}, and this array needs {least}{needed:.0f}"
            )

    used["lut"] = (counts.lut.mid if counts.lut else None, has.lut.mid)
    return Usage(
        counts.dsp,
        counts.block_ram,
        counts.uram,
        counts.lut,
        array.logic_macs,
        counts.unknown,
        _ratios(used),
    )


def dsp_blocks(array: BaseArray, board: Board, bits: int) -> Any:
    """DSP blocks of an array; its sizes may be columns."""
    per_dsp = board.resources.macs_per_dsp(bits)
    in_logic = int(array.logic_macs / per_dsp)
    return np.maximum(array.dsp_macs(bits, per_dsp) - in_logic, 0)


def _ratios(used: Mapping[str, tuple[float | None, float]]) -> dict[str, float]:
    known = {name: (x, there) for name, (x, there) in used.items() if x is not None}
    return {name: x / there if there else 0.0 for name, (x, there) in known.items()}


def _counts(layers: Sequence[LayerShape], board: Board, array: AnyArray, bits: int) -> _Counts:
    if isinstance(array, OutputStationary):
        return _output_stationary(layers, board, array, bits)
    if isinstance(array, Dpu):
        return _dpu(array)
    if isinstance(array, FlatArray):
        return _Counts(unknown=("all resources: the published arrays name no chip",))

    dsp = int(dsp_blocks(array, board, bits))
    if isinstance(array, Streaming):
        stored = sum(layer.n_weights for layer in layers) * bits
        blocks = ceil_div(stored, BLOCK_BITS[board.resources.block_kind])
        fifos = "block RAM beyond the weights and LUTs: no model of FIFOs and folding"
        # Weights may lie in UltraRAM too; that they fit at all is refused where it is priced.
        ram = None if board.resources.uram.mid else blocks
        return _Counts(dsp=dsp, block_ram=ram, unknown=(fifos,))
    return _Counts(dsp=dsp, unknown=(f"memory and LUTs: no model for {array.style} arrays",))


def _output_stationary(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int
) -> _Counts:
    has = board.resources
    dsp = int(dsp_blocks(array, board, bits))
    banks = buffer_banks(LargestMaps.of(layers, bits), board, array, bits)
    kind = has.block_kind
    ram, uram = placed([b.blocks(kind) for b in banks], [b.uram for b in banks], has)

    fits = (RTL,) if array.controller else FITS
    lut = lut_estimate(dsp, array.logic_macs, has, fits)
    unknown = () if lut else (why_unknown(has, fits),)
    return _Counts(dsp, int(ram), int(uram), lut, unknown)


def _dpu(array: Dpu) -> _Counts:
    size = dpu_size(array.pixels, array.inputs, array.outputs)
    if size is None:
        return _Counts(unknown=(f"all resources: published are {', '.join(DPU_SIZES)}",))
    cores = array.cores
    low, high = (cores * size.lut * ratio for ratio in DPU_LUT_RATIO)
    return _Counts(
        dsp=cores * size.dsp,
        block_ram=int(2 * cores * size.bram36),
        uram=0,
        lut=Range(low=low, mid=cores * size.lut, high=high),
    )
