"""Times of measured rows as the model has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cgap_hw.boards.board import Board
from cgap_hw.evidence.measured import MeasuredLayer
from cgap_hw.numeric import Values
from cgap_hw.price.cost import latency_ns


def predict_ns(rows: Sequence[MeasuredLayer], board: Board) -> Values:
    """Latency of every row's layer on a board with its array.

    Rows of one network are priced together: what stays on chip depends on all of its layers.
    """
    networks: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        networks[row.network].append(i)

    times = np.empty(len(rows))
    for places in networks.values():
        times[places] = latency_ns([rows[i].shape for i in places], board)
    return times
