"""One engine a layer: the slowest sets the pace, and all share the multipliers."""

import numpy as np
import pytest

from cgap_hw import CostModelError, LayerShape, board_names, load_board, network_cost
from cgap_hw.arrays import Streaming
from cgap_hw.arrays.streaming import shared_out
from cgap_hw.evidence.zoo import network
from cgap_hw.layers.table import LayerTable

BOARD = load_board("pynq-z2")


def array(budget):
    return Streaming(budget=budget, clock_mhz=100, source="made up")


def conv(name, n_in, n_out, size=32):
    """3 x 3, as many outputs as inputs."""
    sizes = dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), size)
    kernel = {"kernel_h": 3, "kernel_w": 3, "padding_h": 1, "padding_w": 1}
    return LayerShape(name=name, kind="conv", n_in=n_in, n_out=n_out, **sizes, **kernel)


def pool(channels, size=32):
    """Global."""
    sizes = dict.fromkeys(("in_h", "in_w", "kernel_h", "kernel_w"), size)
    return LayerShape(name="pool", kind="pool", n_in=channels, n_out=channels, **sizes)


FIRST, SECOND = conv("first", 3, 16), conv("second", 16, 32)
HEAD = LayerShape(name="head", kind="linear", n_in=32, n_out=10)
NETWORK = [FIRST, SECOND, pool(32), HEAD]


def slow(gbps):
    """The board with so little bandwidth, all of it used."""
    speed = BOARD.dram.bandwidth_gbps.model_copy(
        update={"low": gbps, "mid": gbps, "high": gbps}
    )
    whole = BOARD.dram.efficiency_ratio.model_copy(update={"low": 1, "mid": 1, "high": 1})
    free = BOARD.dram.run_overhead_ns.model_copy(update={"low": 0, "mid": 0, "high": 0})
    update = {"bandwidth_gbps": speed, "efficiency_ratio": whole, "run_overhead_ns": free}
    return BOARD.model_copy(update={"dram": BOARD.dram.model_copy(update=update)})


def test_times_by_hand():
    """Of 64 multipliers the head gets 1, the convolutions 5 and 57 of what is left.

    The first folds 4 (of 16 x 27), the second 48 (of 32 x 144). The second waits for 3 of 32
    rows, and then for the first: it ends one row after that. The pool waits for all.
    """
    cost = network_cost(NETWORK, BOARD, array(64))
    first, second = 3 * 16 * 9 * 1024 // 4, 16 * 32 * 9 * 1024 // 48
    tail = 32 * 1024 // 64, 320
    assert [layer.cycles for layer in cost.layers] == [first, second, *tail]

    added = [10.0 * cycles for cycles in (first, second / 32, *tail)]  # at 100 MHz
    assert [layer.latency_ns for layer in cost.layers] == pytest.approx(added)
    assert cost.latency_ms == pytest.approx(1.14496)
    assert cost.throughput_fps == pytest.approx(1e8 / first)


def test_a_slow_second_layer_waits_for_one_window():
    """What counts is three of 32 rows of the first, then all of the second."""
    slower = [conv("first", 1, 8), conv("second", 8, 8)]
    t = LayerTable.of(slower)
    a, b = (10.0 * x for x in array(8).mac_cycles(t))
    assert b > a
    cost = network_cost(slower, BOARD, array(8))
    assert cost.latency_ms == pytest.approx((a * 3 / 32 + b) * 1e-6)


def test_passes_hand_on_what_they_get():
    """A sum is done long before the convolution behind which it stands; it waits for rows."""
    sizes = dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), 32)
    total = LayerShape(name="sum", kind="add", n_in=16, n_out=16, **sizes)
    layers = [FIRST, total, conv("last", 16, 64)]
    cost = network_cost(layers, BOARD, array(64))
    first, _, last = (layer.compute_ns for layer in cost.layers)
    assert cost.latency_ms * 1e6 > first * 3 / 32 + last


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("budget", [4, 64, 1000])
def test_no_image_is_faster_than_one_engine(name, budget):
    board = load_board(name)
    cost = network_cost(NETWORK, board, array(budget))
    busy = max(max(layer.compute_ns, layer.memory_ns) for layer in cost.layers)
    assert cost.timing.interval_ns == pytest.approx(busy)
    assert cost.latency_ms * 1e6 >= busy
    assert cost.latency_ms * 1e6 <= sum(
        layer.compute_ns + layer.memory_ns for layer in cost.layers
    )
    assert 0 < cost.utilisation_ratio <= 1
    assert cost.latency_ms == pytest.approx(sum(x.latency_ns for x in cost.layers) * 1e-6)
    assert cost.throughput_fps * cost.latency_ms * 1e-3 >= 1 - 1e-9


def test_static_and_background_power_last_as_long_as_the_image():
    cost = network_cost(NETWORK, BOARD, array(64))
    static, background = (
        cost.energy_split_mj[key].mid for key in ("static", "dram_background")
    )
    assert static == pytest.approx(BOARD.energy.static_w.mid * cost.latency_ms)
    watts = BOARD.energy.dram_background_mw.mid * 1e-3
    assert background == pytest.approx(watts * cost.latency_ms)


def test_all_engines_together_stay_within_the_budget():
    """One large convolution and nine tiny ones had 17 multipliers out of 10."""
    layers = [conv("large", 64, 64), *(conv(f"tiny{i}", 1, 1, 4) for i in range(9))]
    t = LayerTable.of(layers)
    used = t.macs / array(10).mac_cycles(t)
    assert used.tolist() == [1.0] * 10
    for budget in (11, 17, 100):
        assert np.sum(t.macs / array(budget).mac_cycles(t)) <= budget


@pytest.mark.parametrize("budget", [3, 4, 7, 50, 10**6])
def test_shares_are_whole_and_fit(budget):
    macs = [10**12, 5 * 10**11, 1]
    shares = shared_out(budget, macs)
    assert min(shares) >= 1
    assert budget - len(macs) < sum(shares) <= budget


def test_every_layer_that_computes_needs_a_multiplier():
    with pytest.raises(
        CostModelError, match=r"^3 layers need at least as many multipliers, not 2$"
    ):
        network_cost(NETWORK, BOARD, array(2))
    assert network_cost(NETWORK, BOARD, array(3)).latency_ms > 0  # the pool needs none


def test_passes_take_no_multipliers():
    """The pool none, the head one: the convolutions share 63 as they would alone."""
    cycles = array(64).mac_cycles(LayerTable.of(NETWORK))
    assert cycles[2] == 0
    alone = array(63).mac_cycles(LayerTable.of(NETWORK[:2]))
    assert cycles[:2].tolist() == alone.tolist()


def test_input_and_output_bind_where_the_memory_is_slow():
    """3 kB in and a burst of 64 bytes out at 1 MB/s; weights and maps stay on chip."""
    board = slow(1e-3)
    cost = network_cost(NETWORK, board, array(64))
    assert [layer.memory_ns for layer in cost.layers] == pytest.approx([3072e3, 0, 0, 64e3])
    assert (cost.layers[0].bound, cost.layers[3].bound) == ("input", "output")
    assert cost.throughput_fps == pytest.approx(1e9 / 3072e3)
    assert cost.latency_ms >= 3.072 + 0.064
    assert network_cost(NETWORK, slow(2e-3), array(64)).latency_ms < cost.latency_ms


def test_a_large_input_is_read_once():
    """An engine keeps the rows of its windows, so that no tile reads them again."""
    moved = array(64).traffic(LayerTable.of([conv("wide", 64, 256, 56)]), BOARD, 8)
    assert moved.pixel_bytes.tolist() == [64 * 56 * 56]


def test_resnet18_on_a_large_board():
    cost = network_cost(network("resnet18"), load_board("alveo-u250"), array(2000))
    engines = [layer.compute_ns for layer in cost.layers]
    assert 1e9 / cost.throughput_fps == pytest.approx(max(engines))
    assert max(engines) * 1e-6 < cost.latency_ms < sum(engines) * 1e-6
