"""What stays on chip is not moved, and must fit."""

import pytest

from cgap_hw import (
    CostModelError,
    CostOptions,
    LayerShape,
    load_board,
    network_cost,
)

CONV = LayerShape(
    name="conv",
    kind="conv",
    n_in=64,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=14,
    out_w=14,
    kernel_h=3,
    kernel_w=3,
    padding_h=1,
    padding_w=1,
    bias=True,
)


POOL = LayerShape(
    name="pool",
    kind="pool",
    n_in=100,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=7,
    out_w=7,
    kernel_h=2,
    kernel_w=2,
    stride_h=2,
    stride_w=2,
    pool_kind="max",
)


LINEAR = LayerShape(name="head", kind="linear", n_in=4900, n_out=10, bias=True)


NETWORK = [CONV, POOL, LINEAR]


def test_what_stays_on_chip_is_not_moved():
    board = load_board("zcu102")
    streamed = network_cost(NETWORK, board)
    resident = network_cost(NETWORK, board, options=CostOptions(resident_weights=True))
    saved = streamed.dram_bytes - resident.dram_bytes
    assert CONV.n_weights + LINEAR.n_weights <= saved < CONV.n_weights + LINEAR.n_weights + 128
    maps = network_cost(NETWORK, board, options=CostOptions(resident_maps=True))
    assert streamed.dram_bytes - maps.dram_bytes >= 2 * (100 * 196 + 4900)
    huge = LayerShape(name="fc", kind="linear", n_in=25088, n_out=4096)
    with pytest.raises(CostModelError, match="do not stay on the chip of ZCU102"):
        network_cost([huge], board, options=CostOptions(resident_weights=True))


def test_skip_connection_keeps_its_map_in_dram():
    board = load_board("zcu102")
    same = CONV.model_copy(update={"n_out": 64})
    add = LayerShape(
        name="sum",
        kind="add",
        n_in=64,
        n_out=64,
        in_h=14,
        in_w=14,
        out_h=14,
        out_w=14,
        inputs=(0, 1),
    )
    cost = network_cost([same, same, add], board, options=CostOptions(resident_maps=True))
    assert cost.moved.output_bytes[0] == 64 * 196
    assert cost.moved.pixel_bytes[2] == 2 * 64 * 196
    later = add.model_copy(update={"inputs": (0, 5)})
    with pytest.raises(CostModelError, match="comes later"):
        network_cost([same, same, later], board, options=CostOptions(resident_maps=True))


def test_weights_stay_where_the_array_in_use_has_room():
    """Not where the board's own array would have had it."""
    board = load_board("zcu102")
    small = board.array.buffers.model_copy(update={"weight_ratio": 0.01})
    array = board.array.model_copy(update={"buffers": small})
    kept = CostOptions(resident_weights=True)
    layers = [CONV, CONV.model_copy(update={"n_in": 100})] * 4
    network_cost(layers, board, options=kept)
    with pytest.raises(CostModelError, match="do not stay on the chip"):
        network_cost(layers, board, array, options=kept)


def test_maps_that_maps_are_multiplied_with_are_moved_all_the_same():
    """Weights may be loaded before; the keys of attention are not there before."""
    board, kept = load_board("zcu102"), CostOptions(resident_weights=True)
    attention = LayerShape(name="scores", kind="matmul", n_in=64, n_out=100, in_h=9, out_h=9)
    recurrent = attention.model_copy(update={"n_stored": 6400})
    moved = network_cost([attention, recurrent], board, options=kept).moved
    assert list(moved.weight_bytes) == [6400, 0]


def test_no_time_is_left_of_weights_that_stay():
    """4096 words come, 128 go: fill and transfer are those of the two maps, in a run each."""
    board, kept = load_board("zcu102"), CostOptions(resident_weights=True)
    wide = LayerShape(name="fc", kind="linear", n_in=4096, n_out=128)
    moved = network_cost([wide], board, options=kept).moved
    assert moved.total_bytes[0] == 4096 + 128 == 4224
    assert moved.fill_bytes[0] == 4096 + 64  # the last 24 outputs are less than a burst
    assert (moved.read_runs[0], moved.write_runs[0]) == (1, 1)
    streamed, resident = (
        network_cost([wide], board, options=options) for options in (None, kept)
    )
    assert streamed.moved.fill_bytes[0] == 102_464
    gone = (102_464 - 4160) / board.dram.bytes_per_ns
    assert resident.latency_ms <= streamed.latency_ms - gone * 1e-6
    for part in ("dram_activate", "dram_background", "static"):
        assert resident.energy_split_mj[part].mid < streamed.energy_split_mj[part].mid


def test_no_run_is_left_of_maps_that_stay():
    board = load_board("zcu102")
    streamed = network_cost(NETWORK, board).moved
    kept = CostOptions(resident_maps=True)
    cost = network_cost(NETWORK, board, options=kept)
    assert cost.moved.write_runs.tolist() == [0, 0, 1]
    assert cost.moved.pixel_runs.tolist() == [streamed.pixel_runs[0], 0, 0]
    assert cost.moved.read_runs[1] == cost.moved.total_bytes[1] == 0
    assert cost.moved.fill_output_bytes.tolist()[:2] == [0, 0]
    assert cost.moved.fill_pixel_bytes[2] == 0
    assert cost.moved.fill_weight_bytes[2] == streamed.fill_weight_bytes[2] > 0
    both = CostOptions(resident_weights=True, resident_maps=True)
    moved = network_cost(NETWORK, board, options=both).moved
    assert moved.read_runs.tolist()[1:] == [0, 0]
    assert moved.total_bytes.tolist()[1] == 0
