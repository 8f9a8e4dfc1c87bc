"""The sweep over designs: the same prices as one by one, the front, the grid."""

import time

import numpy as np
import pytest

from cgap_hw import CostModelError, LayerShape, load_board, network_cost
from cgap_hw.boards.catalogue import load_array, on_board
from cgap_hw.evidence.zoo import network
from cgap_hw.layers.table import LayerTable
from cgap_hw.price.designs import DesignGrid
from cgap_hw.price.explore import explore
from cgap_hw.price.usage import usage

SMALL = DesignGrid(pox=4, poy=5, pof=40)


@pytest.mark.parametrize(("name", "bits"), [("resnet18", 8), ("mobilenet_v1", 16)])
def test_prices_are_those_of_single_designs(name, bits):
    layers, board = network(name), load_board("zcu102")
    found = explore(layers, board, bits, SMALL)
    for i in np.random.default_rng(0).integers(0, len(found), 6):
        one = network_cost(layers, board, found.array(i), bits)
        assert found.latency_ms[i] == pytest.approx(one.latency_ms, rel=1e-14)
        assert found.energy_mj[i] == pytest.approx(one.energy_mj.mid, rel=1e-14)


@pytest.mark.parametrize("full_linear", [False, True])
def test_a_column_of_sizes_gives_each_design_s_own_times_to_the_last_bit(full_linear):
    """Cycles, traffic and times: one set of formulas, whatever shape the sizes have."""
    board, t = load_board("pynq-z2"), LayerTable.of(network("mobilenet_v2"))
    array = board.array.model_copy(update={"full_linear": full_linear})
    pof = np.arange(1.0, 20.0)[:, None]
    column = array.sized(3, 5, pof)
    moved = column.traffic(t, board, 8)
    times = column.layer_ns(t, moved, board.dram, column.cycles(t))

    for i in range(len(pof)):
        one = array.sized(3, 5, i + 1)
        alone = one.traffic(t, board, 8)
        np.testing.assert_array_equal(moved.pixel_bytes[i], alone.pixel_bytes)
        np.testing.assert_array_equal(moved.runs[i], alone.runs)
        for many, single in zip(times, one.layer_ns(t, alone, board.dram, one.cycles(t))):
            np.testing.assert_array_equal(many[i], single)


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_dsp_blocks_are_those_of_single_designs(bits):
    board = load_board("zcu102")
    found = explore(network("alexnet-zhang"), board, bits, SMALL)
    for i in range(0, len(found), 41):
        used = usage(network("alexnet-zhang"), board, found.array(i), bits)
        assert used.dsp == found.dsp[i]


def test_the_grid_is_large_and_within_the_multipliers():
    board = load_board("zcu102")
    found = explore(network("resnet50"), board, 8)
    assert len(found) >= 20000
    assert found.dsp.max() <= board.resources.dsp.count


def test_no_design_beats_one_on_the_front():
    found = explore(network("resnet18"), load_board("zcu104"), 8, SMALL)
    values = np.stack([found.latency_ms, found.energy_mj, found.dsp], axis=1)
    front = set(found.pareto().tolist())
    for i in range(len(found)):
        no_worse = np.all(values <= values[i], axis=1) & np.any(values < values[i], axis=1)
        assert not (i in front and no_worse.any())
        assert i in front or no_worse.any() or (values == values[i]).all(axis=1).sum() > 1


@pytest.mark.parametrize("name", ["pynq-z2", "zcu104", "kv260", "ultra96", "arria-10-gx1150"])
def test_what_is_proposed_is_what_the_board_has(name):
    """Every design by the exact rules of `usage`: those kept and those taken away."""
    layers, board = network("mobilenet_v2"), load_board(name)
    grid = DesignGrid(pox=9, poy=7, pof=130)
    found = explore(layers, board, grid=grid)
    kept = {(found.array(i).dimensions, int(found.split[i])) for i in range(len(found))}
    assert sum(found.removed.values()) + len(found) == 9 * 7 * 130 * len(found.splits)
    assert all(found.removed[limit] for limit in ("dsp", "memory"))
    for i in found.pareto():
        network_cost(layers, board, found.array(i))
        usage(layers, board, found.array(i))

    random = np.random.default_rng(0)
    for _ in range(60):
        sizes = tuple(int(random.integers(1, n + 1)) for n in grid.sizes)
        split = int(random.integers(len(found.splits)))
        array = board.array.sized(*sizes).model_copy(update={"buffers": found.splits[split]})
        try:
            usage(layers, board, array)
            network_cost(layers, board, array)
        except CostModelError:
            assert (sizes, split) not in kept
        else:
            assert (sizes, split) in kept


@pytest.mark.slow
@pytest.mark.parametrize("board", ["pynq-z2", "zcu104", "zcu102", "kv260", "ultra96", "zc706"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_no_front_holds_a_design_that_cost_refuses(name, board):
    """The whole grid; `usage` and `network_cost` raise on what does not fit."""
    layers, hardware = network(name), load_board(board)
    found = explore(layers, hardware)
    for i in found.pareto():
        array = found.array(int(i))
        assert usage(layers, hardware, array).ratios["dsp"] <= 1
        assert network_cost(layers, hardware, array).latency_ms == pytest.approx(
            float(found.latency_ms[i])
        )


def test_another_split_of_the_buffers_can_win():
    layers, board = network("mobilenet_v2"), load_board("zc706")
    own = explore(layers, board, grid=DesignGrid(splits=()))
    found = explore(layers, board)
    assert found.latency_ms.min() < own.latency_ms.min()
    assert found.split[found.pareto()[0]] > 0


def test_a_board_without_room_says_what_was_missing():
    board = load_board("pynq-z2")
    tiny = board.resources.model_copy(
        update={"block_ram": board.resources.block_ram.model_copy(update={"mid": 2.0})}
    )
    none = board.model_copy(update={"resources": tiny})
    with pytest.raises(CostModelError, match="60 need more block RAM or UltraRAM"):
        explore(network("resnet18"), none, grid=DesignGrid(pox=2, poy=2, pof=3))


def test_other_arrays_have_no_such_grid():
    with pytest.raises(CostModelError, match="flat"):
        explore(network("resnet18"), on_board("m32p32"))


@pytest.fixture
def board():
    return load_board("pynq-z2")


@pytest.fixture
def array():
    return load_array("rtl-4x4x4")


CONV = LayerShape(
    name="conv",
    kind="conv",
    n_in=8,
    n_out=10,
    in_h=9,
    in_w=9,
    out_h=9,
    out_w=9,
    kernel_h=3,
    kernel_w=3,
    padding_h=1,
    padding_w=1,
)


def test_a_design_grid_needs_an_array_without_one(board, array):
    with pytest.raises(CostModelError, match="controller"):
        explore([CONV], board.model_copy(update={"array": array}))


@pytest.mark.slow
def test_speed():
    """CPU time, so that other work on the machine does not count: the sweep of ResNet-50 in
    under a second, ten million (design, layer) pairs a second with equal layers counted once,
    and one design of ResNet-18 in under a millisecond.
    """
    layers, board = network("resnet50"), load_board("zcu102")
    seconds = min(_seconds(lambda: explore(layers, board)) for _ in range(5))
    n_distinct = len(
        {layer.model_copy(update={"name": "", "inputs": None}) for layer in layers}
    )
    assert n_distinct < len(layers)
    assert seconds < 1
    assert len(explore(layers, board)) * n_distinct / seconds > 1e7
    small = network("resnet18")
    assert (
        min(_seconds(lambda: network_cost(small, board).latency_ms) for _ in range(20)) < 1e-3
    )


def _seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start
