"""DSP blocks, on-chip memory and LUTs of an array, and whether a board has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from cgap_hw.arrays import OutputStationary
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.numeric import ceil_div

# Words and bits of the shapes of one block (data sheets).
BLOCK_SHAPES = {
    "RAMB18": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "M20K": ((512, 40), (1024, 20), (2048, 10), (4096, 5), (8192, 2), (16384, 1)),
}
URAM_SHAPE = (4096, 72)
# Fitted (least squares) to CHaiDNN's LUTs against its DSP blocks on the ZU9: four sizes of 442
# to 1352 DSP blocks, worst error 1.4 %. On the ZU7, not fitted, it is 34 to 43 % too high: the
# slope carries over (64 to 67), the fixed part is that of the larger design.
LUT_BASE, LUT_PER_DSP = 78_314.0, 61.4
LUT_PER_LOGIC_MAC = 60.0  # an 8 x 8 multiplier in logic: about 60 (assumed)
HEADROOM = {"dsp": 0.8, "block_ram": 0.8, "uram": 0.8, "lut": 0.7}


@dataclass(frozen=True)
class Banks:
    """Equal banks: ``count`` of ``words`` words of ``bits``, both halves of the pair."""

    name: str
    count: int
    bits: int
    words: int

    def blocks(self, kind: str) -> int:
        """Blocks of ``RAMB18`` or ``M20K``, each bank in the shape that needs fewest."""
        shapes = BLOCK_SHAPES[kind]
        fewest = min(ceil_div(self.bits, w) * ceil_div(self.words, d) for d, w in shapes)
        return self.count * int(fewest)

    @property
    def uram(self) -> int:
        """UltraRAM blocks."""
        words, bits = URAM_SHAPE
        return self.count * int(ceil_div(self.bits, bits) * ceil_div(self.words, words))


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


def buffer_banks(
    layers: Sequence[LayerShape], board: Board, array: OutputStationary, bits: int
) -> tuple[Banks, Banks, Banks]:
    """Buffers of an output-stationary array: as large as its layers need, at most its share.

    A bank a pixel lane for pixels, one word of Pof weights, a bank an output channel. An array
    with a ``controller`` has the words that it states.
    """
    control = array.controller
    if control:
        return (
            Banks("input", array.pox * array.poy, bits, 2 * control.pixel_words),
            Banks("weight", 1, array.pof * bits, 2 * control.weight_words),
            Banks("output", array.pof, array.pox * bits, 2 * control.output_words),
        )

    half = array.buffers.half(board)
    working = [layer for layer in layers if layer.computes]
    need = (
        max((s.n_in * s.in_h * s.in_w * bits for s in working), default=bits),
        max((s.n_weights * bits for s in working), default=bits),
        max((s.n_out * s.out_h * s.out_w * bits for s in working), default=bits),
    )

    banks = (
        ("input", array.pox * array.poy, bits),
        ("weight", 1, array.pof * bits),
        ("output", array.pof, array.pox * bits),
    )
    shares = (half.pixels, half.weights, half.outputs)
    pixel, weight, output = (
        Banks(name, count, width, 2 * _words(min(size, share), count * width))
        for (name, count, width), size, share in zip(banks, need, shares, strict=True)
    )
    return pixel, weight, output


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
    blocks = int(array.dsp_macs(bits, has.macs_per_dsp(bits)))
    dsp = blocks - int(array.logic_macs / max(has.macs_per_dsp(bits), 1))
    ram, uram = _place(buffer_banks(layers, board, array, bits), board)

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
    return Usage(dsp, ram, uram, lut, array.logic_macs, ratios)


def _words(n_bits: float, word_bits: int) -> int:
    return max(1, int(n_bits // word_bits))


def _place(buffers: Sequence[Banks], board: Board) -> tuple[int, int]:
    """Blocks of both kinds, at the choice with the smallest larger share."""
    has = board.resources

    def used(in_uram: Sequence[bool]) -> tuple[int, int]:
        ram = sum(m.blocks(has.block_kind) for m, there in zip(buffers, in_uram) if not there)
        return ram, sum(m.uram for m, there in zip(buffers, in_uram) if there)

    def worst(in_uram: Sequence[bool]) -> float:
        ram, uram = used(in_uram)
        share = uram / has.uram.mid if has.uram.mid else float(uram > 0) * 1e9
        return max(ram / has.block_ram.mid, share)

    return used(min(product((False, True), repeat=len(buffers)), key=worst))
