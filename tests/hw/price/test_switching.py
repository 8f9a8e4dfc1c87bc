"""What switching to another task's subnetwork costs."""

import pytest

from cgap_hw import CostModelError, LayerShape, load_board
from cgap_hw.evidence.zoo import network
from cgap_hw.price.switching import resident_together, stored_words, switch_cost

LAYERS = [
    LayerShape(
        name="conv",
        kind="conv",
        n_in=16,
        n_out=25,
        in_h=16,
        in_w=16,
        out_h=16,
        out_w=16,
        kernel_h=3,
        kernel_w=3,
        padding_h=1,
        padding_w=1,
        bias=True,
    ),
    LayerShape(name="head", kind="linear", n_in=25 * 256, n_out=10, bias=True),
]


def test_switching_moves_every_weight_once():
    board = load_board("zcu102")
    words = 16 * 25 * 9 + 25 + 25 * 256 * 10 + 10
    assert stored_words(LAYERS) == words
    switch = switch_cost(LAYERS, board)
    assert switch.n_bytes == words
    assert switch.time_ms == pytest.approx(words / (19.2 * 0.75) * 1e-6 + 2 * 10e-6)
    assert switch.stays_on_chip
    assert switch_cost(LAYERS, board, bits=16).n_bytes == 2 * words
    assert not switch_cost(network("vgg16"), board).stays_on_chip
    with pytest.raises(CostModelError, match="at least one layer"):
        switch_cost([], board)


def test_as_many_subnetworks_as_fit_smallest_first():
    board = load_board("pynq-z2")
    room = board.resources.on_chip_bits * 0.8 * 0.45 / 8
    several = {f"task {i}": LAYERS for i in range(10)} | {"huge": network("vgg16")}
    chosen = resident_together(several, board)
    assert chosen == [f"task {i}" for i in range(int(room // stored_words(LAYERS)))]
