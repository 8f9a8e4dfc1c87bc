"""What it costs to load another task's subnetwork, and which ones fit on chip together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cgap_hw.arrays.traffic import transfer_ns
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import LayerShape
from cgap_hw.price.residency import weights_fit


@dataclass(frozen=True)
class Switch:
    """Loading all weights of one subnetwork: bytes and time; whether they then stay on chip."""

    n_bytes: int
    time_ms: float
    stays_on_chip: bool


def switch_cost(layers: Sequence[LayerShape], board: Board, bits: int = 8) -> Switch:
    """Weights and biases over the DRAM port, one run a layer.

    Raises:
        CostModelError: No layers.

    >>> from cgap_hw import LayerShape, load_board
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> switch_cost([head], load_board("zcu102")).n_bytes
    5120
    """
    if not layers:
        raise CostModelError("a subnetwork needs at least one layer")
    words = stored_words(layers)
    n_bytes = -(-words * bits // 8)
    runs = sum(layer.parameters > 0 for layer in layers)
    time = float(transfer_ns(float(n_bytes), float(runs), board.dram))
    return Switch(n_bytes, time * 1e-6, weights_fit(words, board, board.array, bits))


def stored_words(layers: Sequence[LayerShape]) -> int:
    """Weights, biases and scales of a subnetwork."""
    return sum(layer.parameters for layer in layers)


def resident_together(
    subnetworks: Mapping[str, Sequence[LayerShape]], board: Board, bits: int = 8
) -> list[str]:
    """The most subnetworks whose weights stay on chip at once, smallest first.

    Every subnetwork is counted in full: weights that tasks share are not known from shapes, so
    the truth is at least this many.

    >>> from cgap_hw import LayerShape, load_board
    >>> small = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> large = small.model_copy(update={"n_in": 10**7})
    >>> resident_together({"first": [large], "second": [small]}, load_board("zcu102"))
    ['second']
    """
    chosen: list[str] = []
    total = 0
    for name in sorted(subnetworks, key=lambda key: (stored_words(subnetworks[key]), key)):
        total += stored_words(subnetworks[name])
        if not weights_fit(total, board, board.array, bits):
            break
        chosen.append(name)
    return chosen
