"""The sweep over designs: the same prices as one by one, the front, the grid."""

import time

import numpy as np
import pytest

from cgap_hw import CostModelError, load_board, network_cost
from cgap_hw.boards.catalogue import on_board
from cgap_hw.evidence.zoo import network
from cgap_hw.price.explore import DesignGrid, explore

SMALL = DesignGrid(pox=4, poy=5, pof=40)


@pytest.mark.parametrize(("name", "bits"), [("resnet18", 8), ("mobilenet_v1", 16)])
def test_prices_are_those_of_single_designs(name, bits):
    layers, board = network(name), load_board("zcu102")
    found = explore(layers, board, bits, SMALL)
    for i in np.random.default_rng(0).integers(0, len(found), 6):
        sizes = {"pox": int(found.pox[i]), "poy": int(found.poy[i]), "pof": int(found.pof[i])}
        one = network_cost(layers, board, board.array.model_copy(update=sizes), bits)
        assert found.latency_ms[i] == pytest.approx(one.latency_ms, rel=1e-14)
        assert found.energy_mj[i] == pytest.approx(one.energy_mj.mid, rel=1e-14)


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


def test_other_arrays_have_no_such_grid():
    with pytest.raises(CostModelError, match="flat"):
        explore(network("resnet18"), on_board("m32p32"))


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
