"""Buffers as banks of on-chip memory, and the blocks that they take.

All numbers may be columns with a row a design: the same formulas count one array and a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from cgap_hw.arrays import OutputStationary
from cgap_hw.chips.chip import Chip, Resources
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.numeric import Values, ceil_div

# Words and bits of the shapes of one block (data sheets).
BLOCK_SHAPES = {
    "RAMB18": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "M20K": ((512, 40), (1024, 20), (2048, 10), (4096, 5), (8192, 2), (16384, 1)),
}
URAM_SHAPE = (4096, 72)


@dataclass(frozen=True)
class Banks:
    """Equal banks: ``count`` of ``words`` words of ``bits``, both halves of the pair."""

    name: str
    count: Any
    bits: Any
    words: Any

    def blocks(self, kind: str) -> Any:
        """Blocks of ``RAMB18`` or ``M20K``, each bank in the shape that needs fewest."""
        shapes = BLOCK_SHAPES[kind]
        each = [ceil_div(self.bits, w) * ceil_div(self.words, d) for d, w in shapes]
        fewest = each[0]
        for blocks in each[1:]:
            fewest = np.minimum(fewest, blocks)
        return self.count * fewest

    @property
    def uram(self) -> Any:
        """UltraRAM blocks."""
        words, bits = URAM_SHAPE
        return self.count * ceil_div(self.bits, bits) * ceil_div(self.words, words)


@dataclass(frozen=True)
class LargestMaps:
    """Bits of the largest input map, weights and output map of any layer of a network."""

    pixels: float
    weights: float
    outputs: float

    @classmethod
    def of(cls, layers: Sequence[LayerShape], bits: int) -> LargestMaps:
        """At a word width; a word each where nothing multiplies."""
        working = [layer for layer in layers if layer.computes]
        return cls(
            max((s.n_in * s.in_h * s.in_w * bits for s in working), default=bits),
            max((s.operand_words * bits for s in working), default=bits),
            max((s.n_out * s.out_h * s.out_w * bits for s in working), default=bits),
        )


def buffer_banks(
    largest: LargestMaps, chip: Chip, array: OutputStationary, bits: int
) -> tuple[Banks, Banks, Banks]:
    """Buffers of an output-stationary array: as large as its layers need, at most its share.

    A bank a pixel lane for pixels, one word of Pof weights, a bank an output channel. An array
    with a ``controller`` has the words that it states.
    """
    sizes = (
        ("input", array.pox * array.poy, bits),
        ("weight", 1, array.pof * bits),
        ("output", array.pof, array.pox * bits),
    )
    control = array.controller
    if control:
        words = (control.pixel_words, control.weight_words, control.output_words)
        pixel, weight, output = (Banks(*s, 2 * n) for s, n in zip(sizes, words, strict=True))
        return pixel, weight, output

    half = array.buffers.half(chip)
    room = (
        min(largest.pixels, half.pixels),
        min(largest.weights, half.weights),
        min(largest.outputs, half.outputs),
    )
    pixel, weight, output = (
        Banks(name, count, width, 2 * np.maximum(1.0, np.floor(n_bits / (count * width))))
        for (name, count, width), n_bits in zip(sizes, room, strict=True)
    )
    return pixel, weight, output


def placed(
    block_ram: Sequence[Any], uram: Sequence[Any], has: Resources
) -> tuple[Values, Values]:
    """Blocks of both kinds, at the choice of places with the smallest larger share.

    Args:
        block_ram: Blocks of each buffer if it lies in block RAM.
        uram: The same in UltraRAM.
        has: What the chip has.
    """
    choices = [(False,) * len(uram)]
    if has.uram.mid:
        choices = list(product((False, True), repeat=len(uram)))

    best_ram, best_uram = np.zeros(()), np.zeros(())
    least: Any = np.inf
    for in_uram in choices:
        ram = sum((n for n, there in zip(block_ram, in_uram) if not there), np.zeros(()))
        ultra = sum((n for n, there in zip(uram, in_uram) if there), np.zeros(()))
        share = np.maximum(ram / has.block_ram.mid, ultra / max(has.uram.mid, 1.0))
        better = share < least
        best_ram, best_uram = (
            np.where(better, ram, best_ram),
            np.where(better, ultra, best_uram),
        )
        least = np.where(better, share, least)
    return best_ram, best_uram
