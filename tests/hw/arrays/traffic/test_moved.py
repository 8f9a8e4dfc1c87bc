"""The time that traffic holds the port."""

import numpy as np
import pytest

from cgap_hw import load_board
from cgap_hw.arrays.traffic import Traffic


def test_one_way_streams_are_faster_where_the_controller_s_maker_says_so():
    """10 MB of weights at 0.9, what goes both ways at 0.75 of 14.9 GB/s."""
    board = load_board("arria-10-gx1150")
    moved = Traffic(*(np.array([x]) for x in (0.0, 1e7, 1e6, *[0.0] * 6)), np.array([0]))
    expected = 2e6 / (0.75 * 14.9) + 9e6 / (0.9 * 14.9)
    assert moved.port_ns(board.dram)[0] == pytest.approx(expected)
    plain = board.dram.model_copy(update={"stream_efficiency_ratio": None})
    assert moved.port_ns(plain)[0] == pytest.approx(11e6 / (0.75 * 14.9))
