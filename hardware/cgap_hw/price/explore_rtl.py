"""Arrays of `hardware/rtl` that fit a board, each priced with its controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from cgap_hw.arrays import OutputStationary
from cgap_hw.arrays.controller import sizes_of
from cgap_hw.arrays.lock_step import Tiles, words_of
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.layers.table import LayerTable
from cgap_hw.numeric import Indices, Values
from cgap_hw.price.banks import LargestMaps, buffer_banks, placed
from cgap_hw.price.cost import network_cost
from cgap_hw.price.designs import removals
from cgap_hw.price.explore import pareto_front
from cgap_hw.price.usage import dsp_blocks, usage

# Array, DSP blocks, latency in ms, energy in mJ.
_Priced = tuple[OutputStationary, int, float, float]
LANES = (1, 2, 4, 8)
LEAST_WORDS = 64


@dataclass(frozen=True)
class RtlExploration:
    """Designs and their prices, one entry each; energy is the middle estimate.

    Attributes:
        removed: Why designs of the grid are missing -> how many.
    """

    arrays: tuple[OutputStationary, ...]
    dsp: Indices
    latency_ms: Values
    energy_mj: Values
    removed: dict[str, int]

    def __len__(self) -> int:
        return len(self.arrays)

    def array(self, i: int) -> OutputStationary:
        """The array of a design."""
        return self.arrays[i]

    def pareto(self) -> Indices:
        """Designs that no other beats in latency, energy and DSP blocks; fastest first."""
        return pareto_front(self.latency_ms, self.energy_mj, self.dsp)


def explore_rtl(
    layers: Sequence[LayerShape],
    board: Board,
    base: OutputStationary,
    bits: int = 8,
    lanes: Sequence[int] = LANES,
) -> RtlExploration:
    """Every Pox, Poy and Pof of some numbers, with the buffers that the board has room for.

    Args:
        layers: The network.
        board: What must have the resources.
        base: An array with a controller: clock and latency of the memory.
        bits: Word width, 8 or 16.
        lanes: Numbers that each of the three may be.

    Raises:
        CostModelError: No design fits, ``base`` has no controller, or cannot run
            the layers or words of that width.
    """
    base.refuse_work(layers, bits)
    priced: list[_Priced] = []
    removed = {"dsp": 0, "lut": 0, "memory": 0, "tiles": 0}
    for sizes in product(lanes, repeat=3):
        found = _priced(layers, board, base.sized(*sizes), bits)
        if isinstance(found, str):
            removed[found] += 1
        else:
            priced.append(found)

    if not priced:
        raise CostModelError(
            f"no array of hardware/rtl fits {board.name} and this network: {removals(removed)}"
        )
    arrays, dsp, latency, energy = zip(*priced, strict=True)
    return RtlExploration(arrays, np.array(dsp), np.array(latency), np.array(energy), removed)


def _priced(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int
) -> _Priced | str:
    """An array with its buffers and its price, or which of `REASONS` takes it away."""
    if dsp_blocks(array, board, bits) > board.resources.dsp.mid:
        return "dsp"
    found = with_buffers(layers, board, array, bits)
    if found is None:
        return "memory"
    try:
        used = usage(layers, board, found, bits)
    except CostModelError:  # DSP and memory blocks fit: what is left are LUTs
        return "lut"
    try:
        cost = network_cost(layers, board, found, bits)
    except CostModelError:
        return "tiles"
    return found, used.dsp or 0, cost.latency_ms, cost.energy_mj.mid


def with_buffers(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int
) -> OutputStationary | None:
    """The array with depths that are powers of two and fit the board; None if none do.

    They begin large enough for every layer in one tile; while the banks do not fit, the deepest
    is halved: that costs more tiles, not lanes.
    """
    control = array.controller
    if control is None:
        raise CostModelError("only an array with a controller has such buffers")
    depths = [_power(n) for n in _words(layers, array, bits)]

    while True:
        pixels, weights, outputs, blocks = depths
        update = {
            "pixel_words": pixels,
            "weight_words": weights,
            "output_words": outputs,
            "channel_blocks": blocks,
        }
        tried = array.model_copy(update={"controller": control.model_copy(update=update)})
        if _memory_fits(layers, board, tried, bits):
            return tried
        deepest = int(np.argmax(depths[:3]))
        if depths[deepest] <= LEAST_WORDS:
            return None
        depths[deepest] //= 2


def _words(
    layers: Sequence[LayerShape], array: OutputStationary, bits: int
) -> tuple[int, int, int, int]:
    """Most words of each buffer that a layer in one tile needs."""
    working = [layer for layer in layers if layer.computes]
    if not working or array.controller is None:
        raise CostModelError("a network needs at least one convolution or linear layer")
    machine = array.controller.machine(array.pox, array.poy, array.pof, bits)
    table = LayerTable.of(working)
    shapes = [sizes_of(table, i) for i in range(len(working))]
    needs = [words_of(s, Tiles(s.oy, s.units), machine) for s in shapes]
    pixels, weights, outputs, blocks = (max(column) for column in zip(*needs, strict=True))
    return pixels, weights, outputs, blocks


def _memory_fits(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int
) -> bool:
    has = board.resources
    banks = buffer_banks(LargestMaps.of(layers, bits), board, array, bits)
    ram, uram = placed([b.blocks(has.block_kind) for b in banks], [b.uram for b in banks], has)
    return bool(ram <= has.block_ram.mid and uram <= has.uram.mid)


def _power(n: int) -> int:
    """The next power of two, at least `LEAST_WORDS`."""
    return max(LEAST_WORDS, 1 << (n - 1).bit_length())
