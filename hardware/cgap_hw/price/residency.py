"""What stays on chip between layers and between inferences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.traffic import Traffic
from cgap_hw.boards.board import Board
from cgap_hw.errors import CostModelError
from cgap_hw.layers.shapes import NETWORK_INPUT, LayerShape
from cgap_hw.layers.table import LayerTable


def weights_fit(n_weights: float, board: Board, array: BaseArray, bits: int) -> bool:
    """Whether all weights fit into the weight buffer, both halves together."""
    shares = array.buffers
    room = board.resources.on_chip_bits * shares.usable_ratio * shares.weight_ratio
    return n_weights * bits <= room


def keep_weights(
    moved: Traffic, t: LayerTable, board: Board, array: BaseArray, bits: int
) -> Traffic:
    """No weights over the DRAM port; maps that maps are multiplied with still are.

    Raises:
        CostModelError: They do not all fit on chip.
    """
    total = float(t.stored_weights.sum())
    if not weights_fit(total, board, array, bits):
        raise CostModelError(
            f"{total:.0f} weights of {bits} bits do not stay on the chip of {board.name};"
            " stream them, or prune further"
        )
    none = np.zeros(len(t), dtype=np.bool_)
    return moved.kept(pixels=none, weights=t.stored_weights > 0, outputs=none)


def keep_maps(
    moved: Traffic, layers: Sequence[LayerShape], board: Board, array: BaseArray, bits: int
) -> Traffic:
    """Maps that only the next layer reads stay on chip if half of the pixel buffers hold them.

    Longer-lived maps (skip connections) go through DRAM.
    """
    shares = array.buffers
    room = board.resources.on_chip_bits * shares.usable_ratio / 2
    room *= shares.input_ratio + shares.output_ratio

    n = len(layers)
    pixels, weights, outputs = (np.zeros(n, dtype=np.bool_) for _ in range(3))
    readers = _readers(layers)
    for i, layer in enumerate(layers[:-1]):
        size = layer.output_words * bits
        alone = readers[i] == [i + 1] and _sources(layers, i + 1) == (i,)
        if alone and size <= room and "concat" not in (layer.kind, layers[i + 1].kind):
            outputs[i] = pixels[i + 1] = True

    return moved.kept(pixels, weights, outputs)


def _sources(layers: Sequence[LayerShape], i: int) -> tuple[int, ...]:
    inputs = layers[i].inputs
    return inputs if inputs is not None else ((i - 1,) if i else (NETWORK_INPUT,))


def _readers(layers: Sequence[LayerShape]) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in layers]
    for i in range(len(layers)):
        for source in _sources(layers, i):
            if source >= i:
                raise CostModelError(
                    f"layer {layers[i].name!r} reads layer {source}, which comes later"
                )
            if source != NETWORK_INPUT:
                readers[source].append(i)
    return readers
