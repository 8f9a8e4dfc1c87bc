"""What a network is priced on: shared by the commands that price."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from cgap_hw import Board, CostOptions, LayerShape, NetworkCost, load_board, network_cost
from cgap_hw.boards.catalogue import with_array
from cgap_hw.price.usage import Usage, usage

BITS = 8  # of a word, where neither the user nor the network says
ENERGY_SCOPE = "FPGA fabric and DRAM; board, processor and regulators not included"


@dataclass(frozen=True)
class Target:
    """What a network is priced on, as typed."""

    board: str
    array: str | None = None
    bits: int | None = None
    resident_weights: bool = False
    resident_maps: bool = False
    advice: bool = False

    def in_words_of(self, own: int | None) -> Self:
        """The same, at the network's own word width if none was asked for."""
        return replace(self, bits=self.bits or own or BITS)

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.bits or BITS

    def priced(self, words: str) -> str:
        """What words of several widths are priced at."""
        return f"{words}; all priced at {self.width} bits"

    @cached_property
    def hardware(self) -> Board:
        """The board with the array that is asked for."""
        board = load_board(self.board)
        if not self.array:
            return board
        return with_array(board, self.array)

    def price(self, layers: Sequence[LayerShape]) -> NetworkCost:
        """Cost of one inference."""
        options = CostOptions(
            resident_weights=self.resident_weights, resident_maps=self.resident_maps
        )
        return network_cost(layers, self.hardware, bits=self.width, options=options)

    def uses(self, layers: Sequence[LayerShape]) -> Usage:
        """What the array uses on the board, as far as it is known.

        Raises:
            CostModelError: The board has less.
        """
        return usage(layers, self.hardware, self.hardware.array, self.width)
