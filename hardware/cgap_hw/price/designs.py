"""Which sizes and buffers of an array does a board have the resources for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cgap_hw.arrays import Buffers, OutputStationary
from cgap_hw.boards.board import Board
from cgap_hw.numeric import Flags, Indices
from cgap_hw.price.banks import LargestMaps, buffer_banks, placed
from cgap_hw.price.luts import LUT_PER_LOGIC_MAC, fitted_on, lut_bounds
from cgap_hw.price.usage import dsp_blocks

# Splits of the buffers beside the board's own: most for weights, most for pixels, and the
# usual split of half and of a third of the memory, where banks waste the rest.
SPLITS = (
    Buffers(input_ratio=0.2, weight_ratio=0.65, output_ratio=0.15),
    Buffers(input_ratio=0.55, weight_ratio=0.25, output_ratio=0.2),
    Buffers(usable_ratio=0.5),
    Buffers(usable_ratio=0.3),
)
REASONS = {
    "dsp": "more DSP blocks than there are",
    "lut": "more LUTs",
    "memory": "more block RAM or UltraRAM",
    "tiles": "a layer that cannot be tiled",
}


class DesignGrid(BaseModel):
    """All whole Pox, Poy and Pof up to these sizes, each with each split of the buffers.

    Attributes:
        splits: Tried beside the split of the board's own array.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pox: int = Field(default=28, ge=1)
    poy: int = Field(default=28, ge=1)
    pof: int = Field(default=512, ge=1)
    splits: tuple[Buffers, ...] = SPLITS

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Largest Pox, Poy and Pof."""
        return self.pox, self.poy, self.pof


@dataclass(frozen=True)
class FittingDesigns:
    """Designs that a board has the resources for, columns of equal length.

    Attributes:
        removed: Limit -> designs that it took away.
    """

    pox: Indices
    poy: Indices
    pof: Indices
    split: Indices
    dsp: Indices
    removed: dict[str, int]


def fitting(
    largest: LargestMaps,
    board: Board,
    array: OutputStationary,
    bits: int,
    sizes: tuple[int, int, int],
    splits: Sequence[Buffers],
) -> FittingDesigns:
    """The designs of a grid that need no more than a board has, counted as `usage` does."""
    grid = array.sized(*np.ix_(*(np.arange(1.0, n + 1) for n in sizes)))
    dsp = np.broadcast_to(dsp_blocks(grid, board, bits), sizes)
    index = np.nonzero(dsp <= board.resources.dsp.mid)
    removed = {"dsp": (dsp.size - len(index[0])) * len(splits)}

    blocks = dsp[index].astype(np.int64)
    lean = _luts_fit(blocks, array, board)
    removed |= {"lut": int((~lean).sum()) * len(splits), "memory": 0}
    index, blocks = tuple(axis[lean] for axis in index), blocks[lean]

    found: list[Indices] = []
    for i, shares in enumerate(splits):
        split = grid.model_copy(update={"buffers": shares})
        (rows,) = np.nonzero(_memory_fits(largest, board, split, bits, index, sizes))
        removed["memory"] += len(index[0]) - len(rows)
        pox, poy, pof = (axis[rows] + 1 for axis in index)
        found.append(np.stack([pox, poy, pof, 0 * rows + i, blocks[rows]]))

    pox, poy, pof, split_of, used = np.concatenate(found, axis=1)
    return FittingDesigns(pox, poy, pof, split_of, used, removed)


def removals(removed: Mapping[str, int]) -> str:
    """How many designs each limit took away, in words."""
    return ", ".join(f"{n:,} need {REASONS[limit]}" for limit, n in removed.items() if n)


def _luts_fit(dsp: Indices, array: OutputStationary, board: Board) -> Flags:
    """Whose low estimate the board has; an unknown one takes nothing away, as in `usage`."""
    has = board.resources
    if not fitted_on(has):
        return np.ones(dsp.shape, dtype=np.bool_)
    every = lut_bounds(np.arange(dsp.max(initial=0) + 1))[0]
    fits: Flags = ~(every + LUT_PER_LOGIC_MAC * array.logic_macs > has.lut.mid)
    return fits[dsp]


def _memory_fits(
    largest: LargestMaps,
    board: Board,
    array: OutputStationary,
    bits: int,
    index: tuple[Indices, ...],
    sizes: tuple[int, int, int],
) -> Flags:
    """Of the designs at some positions of the grid, whose buffers the board has room for."""
    has = board.resources
    banks = buffer_banks(largest, board, array, bits)
    # The blocks of a buffer depend on two sizes at most: worked out once for each pair.
    ram = [np.broadcast_to(b.blocks(has.block_kind), sizes)[index] for b in banks]
    uram = [np.broadcast_to(b.uram, sizes)[index] for b in banks]
    used_ram, used_uram = placed(ram, uram, has)
    fits: Flags = (used_ram <= has.block_ram.mid) & (used_uram <= has.uram.mid)
    return fits
