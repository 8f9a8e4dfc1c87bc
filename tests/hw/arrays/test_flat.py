"""The parts of the flat array against brute force."""

import numpy as np
import pytest

from cgap_hw import CostModelError, LayerShape, load_board, network_cost
from cgap_hw.arrays.flat_stages import (
    DRAM_BYTES_PER_NS,
    DRAM_WAIT_NS,
    READ_AHEAD_LINES,
    StageTimes,
    Window,
    flow_shop,
    streamed,
    window_lines,
)
from cgap_hw.boards.catalogue import load_array
from cgap_hw.layers.chain import Chain, Map
from cgap_hw.layers.table import LayerTable


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


def test_a_dilated_window_streams_the_rows_under_its_span():
    """One tile, 32 x 32 pixels: rows 0 to 2 under a 3 x 3 kernel, 0 to 8 where it is dilated.

    The output is the inner 24 x 24; a tile of 24 pixels is one row of it. Of 32 pixels a row
    two lines are read: 3 rows and 26 columns end in the line 2 x 2 + 1, 9 rows in 8 x 2 + 1.
    """
    gaps = LayerShape(name="x", kind="conv", n_in=4, n_out=8, in_h=32, in_w=32, out_h=24,
                      out_w=24, kernel_h=3, kernel_w=3, dilation_h=4, dilation_w=4)  # fmt: skip
    plain = gaps.model_copy(update={"dilation_h": 1, "dilation_w": 1})  # as many outputs
    table = LayerTable.of([plain, gaps])
    assert table.span_x.tolist() == table.span_y.tolist() == [3, 9]
    lines = [window_lines(Window.of(table, i), 24)[0] for i in range(2)]
    assert lines == [6, 18]
    board, array = load_board("zcu102"), load_array("m32p64")
    cost = network_cost([plain, gaps], board, array)
    assert cost.layers[1].latency_ns > cost.layers[0].latency_ns


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


def simulated(lines, passes, depth, element, element_bytes=0.0):
    """End of the last multiplication, element by element, with the queue and the stream."""
    queue, read_end, multiply_end, arrived = [], 0.0, 0.0, DRAM_WAIT_NS
    for _ in range(passes):
        for tile, n in enumerate(lines):
            for _ in range(depth):
                # Lines may wait until the cells are done with all but so many before them.
                ahead = n
                start = read_end
                for used, done in reversed(queue):
                    if ahead > READ_AHEAD_LINES:
                        start = max(start, done)
                        break
                    ahead += used
                read_end = start + 4 * n
                if element_bytes and tile == 0:
                    arrived += element_bytes / DRAM_BYTES_PER_NS
                ready = arrived if element_bytes and tile == 0 else 0.0
                multiply_end = max(multiply_end, read_end, ready) + element
                queue.append((n, multiply_end))
    return multiply_end


@pytest.mark.parametrize(
    ("lines", "depth", "element"),
    [
        ((27, 28, 2), 32, 90.0),
        ((27, 28, 2), 64, 90.0),
        ((40, 4, 12), 90, 90.0),
        ((5, 6), 40, 90.0),
    ],
)
def test_reading_runs_ahead_as_far_as_the_queue_goes(lines, depth, element):
    tiles = StageTimes(np.array(lines, dtype=float), 6, depth, element, 0.0, 0.0)
    end = flow_shop(tiles, 1.0)[0] - 1.0
    # Lines of one element more or less wait in the queue: the model is a flow, not words.
    slack = 6 * 2 * 4 * max(lines)
    assert end == pytest.approx(simulated(lines, 6, depth, element), abs=slack)


def test_the_queue_s_end_was_seen_where_strides_meet_wide_tiles():
    """28 -> 14 pixels on M32P96: two tiles wait for lines, the third for the cells."""
    lines = window_lines(Window(28, 28, 14, 14, 3, 3, 2, 2, 1, 1), 96)
    deep = StageTimes(lines, 8, 64, 90.0, 0.0, 0.0)
    endless = np.concatenate([np.cumsum(deep.multiply)[-1:], np.cumsum(deep.read)[-1:]]).max()
    assert flow_shop(deep, 1.0)[0] > 1.05 * endless


@pytest.mark.parametrize(("tiles_a_pass", "m"), [(1, 64), (1, 32), (4, 64)])
def test_streamed_weights_hold_the_first_tile_of_a_pass(tiles_a_pass, m):
    lines, depth, taps = [4.0] * tiles_a_pass, 256, 9
    tiles = StageTimes(np.array(lines), 5, depth, taps * 10.0, 0.0, 0.0)
    element_bytes = taps * 4 * m
    end = flow_shop(tiles, 1.0, element_bytes)[0] - 1.0
    assert end == pytest.approx(simulated(lines, 5, depth, taps * 10.0, element_bytes))
    stream = element_bytes * depth * 5 / DRAM_BYTES_PER_NS
    on_chip = flow_shop(tiles, 1.0)[0]
    if (tiles_a_pass, m) == (1, 64):
        assert end == pytest.approx(stream, rel=0.01)
        assert on_chip / end == pytest.approx(16 / 25.6, rel=0.01)
    else:
        assert end < 1.1 * on_chip


def test_weights_are_streamed_by_the_compiler_s_rule():
    sizes = np.array([2.0, 12.0, 9.0, 4.0, 0.0, 1.0])
    assert not streamed(sizes, 29.0).any()
    assert streamed(sizes, 22.0).tolist() == [True, False, True, True, False, False]
    assert streamed(np.array([30.0]), 22.0).tolist() == [True]


def test_a_network_that_does_not_stay_on_chip_is_slower():
    """12 M, 9 M and 4 M weights over 4 x 4 or 7 x 7 pixels."""
    chain = Chain()
    x = chain.conv(Map(480, 14, 14), 960, 3, 2)
    chain.conv(chain.conv(x, 1024, 3), 1280, 3, 2)
    board, array = load_board("zcu102"), load_array("m64p64")
    together = network_cost(chain.layers, board, array).timing.latency_ns
    alone = [network_cost([s], board, array).timing.latency_ns[0] for s in chain.layers]
    assert together[2] == pytest.approx(alone[2])
    for i in (0, 1):
        assert together[i] > 1.25 * alone[i]


def test_only_the_measured_clock_and_a_dram_that_feeds_it_are_priced():
    """Times were read in ns at 400 MHz: at another clock, or from less DRAM, nobody knows."""
    array = load_array("m32p64")
    layers = [LayerShape(name="fc", kind="linear", n_in=512, n_out=10)]
    slow = array.model_copy(update={"clock_mhz": 200.0})
    with pytest.raises(CostModelError, match=r"array.clock_mhz: .* 400 MHz only, got 200"):
        network_cost(layers, load_board("zcu104"), slow)
    with pytest.raises(CostModelError, match=r"at 16 GB/s, and the DRAM .* gives 2.1"):
        network_cost(layers, load_board("pynq-z2"), array)
    for name in ("zcu102", "zcu104", "kv260"):
        cost = network_cost(layers, load_board(name), array)
        assert cost.timing.memory_ns[0] == 512 * 10 / 16
