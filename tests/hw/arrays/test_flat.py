"""The parts of the flat array against brute force."""

import numpy as np
import pytest

from cgap_hw.arrays.flat import StageTimes, Window, flow_shop, window_lines


@pytest.mark.parametrize(
    "window",
    [
        (13, 13, 13, 13, 3, 3, 1, 1, 1, 1),
        (28, 28, 14, 14, 1, 1, 2, 2, 0, 0),
        (27, 21, 14, 11, 3, 3, 2, 2, 1, 1),
        (9, 9, 9, 9, 5, 5, 1, 1, 2, 2),
    ],
)
def test_lines_are_those_between_the_outermost_pixels(window):
    ix, iy, ox, oy, kx, ky, sx, sy, px, py = window
    p = 32
    touched = []
    for y in range(oy):
        for x in range(ox):
            rows = [min(max(y * sy - py + k, 0), iy - 1) for k in (0, ky - 1)]
            columns = [min(max(x * sx - px + k, 0), ix - 1) for k in (0, kx - 1)]
            touched.append((rows[0] * ix + columns[0], rows[1] * ix + columns[1]))
    for i, lines in enumerate(window_lines(Window(*window), p)):
        tile = touched[i * p : (i + 1) * p]
        first, last = min(a for a, _ in tile), max(b for _, b in tile)
        assert lines == last // 16 - first // 16 + 1


def test_flow_shop_is_the_simulated_makespan():
    rng = np.random.default_rng(3)
    for _ in range(20):
        lines = rng.integers(1, 12, size=5).astype(float)
        depth, element, write = int(rng.integers(2, 6)), float(rng.integers(4, 60)), 80.0
        tiles = StageTimes(lines, 2, depth, element, 10.0, 4.0)
        read_end = multiply_end = write_end = 0.0
        for n in [*lines, *lines]:
            for i in range(depth):
                # The fixed costs come with the tile's last element.
                read_end += 4 * n + (4.0 if i == depth - 1 else 0.0)
                multiply_end = max(multiply_end, read_end) + element
                multiply_end += 10.0 if i == depth - 1 else 0.0
            write_end = max(write_end, multiply_end) + write
        assert flow_shop(tiles, write)[0] == pytest.approx(write_end)
