"""From the best design of a small network on a small board to hardware that takes its price."""

import re

import numpy as np
import pytest

from cgap_hw import CostModelError, load_board, network_cost
from cgap_hw.boards.board_file import board_text
from cgap_hw.boards.catalogue import load_array
from cgap_hw.boards.rtl_parameters import rtl_parameters, rtl_parameters_text
from cgap_hw.layers.chain import Chain, Map
from cgap_hw.price.explore_rtl import explore_rtl
from cgap_hw.price.usage import usage
from rtl.comparison import design_of, tiles_of
from rtl.driver import Design
from rtl.layers import Conv, random_tensors, reference
from rtl.simulator import HOW, Job, available, run_layers


@pytest.fixture(scope="module")
def layers():
    """Two convolutions and a head for 12 x 12 pixels."""
    chain = Chain()
    x = chain.conv(chain.conv(Map(3, 12, 12), 8, 3), 12, 3, 2)
    chain.linear(x, 10)
    return chain.layers


@pytest.fixture(scope="module")
def board():
    return load_board("arty-a7-100t")


@pytest.fixture(scope="module")
def found(layers, board):
    return explore_rtl(layers, board, load_array("rtl-4x4x4"), lanes=(2, 3, 4))


def test_designs_fit_the_board_at_depths_that_memories_have(layers, board, found):
    assert len(found) + sum(found.removed.values()) == 27
    for i in range(len(found)):
        used = usage(layers, board, found.array(i))
        assert used.ratios["dsp"] <= 1
        assert max(used.ratios["block_ram"], used.ratios["uram"]) <= 1
        control = found.array(i).controller
        for words in (control.pixel_words, control.weight_words, control.output_words):
            assert words & (words - 1) == 0
        cost = network_cost(layers, board, found.array(i))
        assert cost.latency_ms == found.latency_ms[i]


def test_a_small_memory_makes_tiles_instead_of_refusing(layers, board, found):
    few = board.resources.block_ram.model_copy(update={"mid": 10.0})
    less = board.resources.model_copy(update={"block_ram": few})
    small = board.model_copy(update={"resources": less})
    tiled = explore_rtl(layers, small, load_array("rtl-4x4x4"), lanes=(2,))
    roomy = explore_rtl(layers, board, load_array("rtl-4x4x4"), lanes=(2,))
    assert tiled.array(0).controller.weight_words < roomy.array(0).controller.weight_words
    none = board.resources.block_ram.model_copy(update={"mid": 1.0})
    no_room = board.resources.model_copy(update={"block_ram": none})
    with pytest.raises(CostModelError, match="no array of hardware/rtl fits"):
        explore_rtl(
            layers,
            board.model_copy(update={"resources": no_room}),
            load_array("rtl-4x4x4"),
            lanes=(2,),
        )


def test_the_parameters_are_those_of_the_driver(found):
    for bits in (8, 16):
        array = found.array(0)
        assert rtl_parameters(array, bits) == design_of(array, bits).parameters()


def test_sums_of_other_widths_were_never_simulated(layers, board, found):
    """Products of two words of 32 bits overflow sums of 48."""
    with pytest.raises(CostModelError, match="words of 8 or 16 bits, got 32"):
        rtl_parameters(found.array(0), 32)
    with pytest.raises(CostModelError, match="words of 8 or 16 bits, got 24"):
        explore_rtl(layers, board, load_array("rtl-4x4x4"), 24, lanes=(2,))


@pytest.mark.parametrize(
    ("lacking", "mid", "reason"), [("dsp", 8.0, "dsp"), ("lut", 1500.0, "lut")]
)
def test_designs_are_taken_away_for_what_they_lack(layers, board, lacking, mid, reason):
    """At 8 blocks 4 x 4 x 4 needs too many, unless enough multipliers are in logic."""
    value = getattr(board.resources, lacking).model_copy(update={"mid": mid})
    few = board.resources.model_copy(update={lacking: value})
    small = board.model_copy(update={"resources": few})
    array = load_array("rtl-4x4x4")
    found = explore_rtl(layers, small, array, lanes=(1, 4))
    assert found.removed[reason] == sum(found.removed.values()) > 0
    if lacking == "dsp":
        logic = array.model_copy(update={"logic_macs": 8})
        more = explore_rtl(layers, small, logic, lanes=(1, 4))
        assert {found.array(i).n_macs for i in range(len(found))} == {1, 4}
        assert {more.array(i).n_macs for i in range(len(more))} == {1, 4, 16}


@pytest.mark.skipif(not available(), reason=HOW)
def test_the_best_design_is_built_and_takes_the_priced_cycles(layers, board, found, tmp_path):
    best = found.array(int(found.pareto()[0]))
    chosen = board.model_copy(update={"array": best})
    (tmp_path / "board.toml").write_text(board_text(chosen))
    (tmp_path / "parameters.svh").write_text(rtl_parameters_text(best))

    text = (tmp_path / "parameters.svh").read_text()
    read = {k: int(v) for k, v in re.findall(r"localparam int (\w+) = (\d+);", text)}
    depths = ("IN_DEPTH", "WT_DEPTH", "OUT_DEPTH", "PAR_DEPTH")
    design = Design(
        *(read[k] for k in ("POX", "POY", "POF", "DW", "AW")), *(read[k] for k in depths)
    )
    assert design.parameters() == read

    mine = load_board(tmp_path / "board.toml")
    cost = network_cost(layers, mine)
    conv, tiles, priced = layers[1], tiles_of(cost)[1], cost.layers[1]
    assert conv.stride_h == 2
    layer = Conv(8, 12, 12, 12, 3, 3, 2, 2, 1, 1)
    operands = random_tensors(np.random.default_rng(0), layer, 8)
    rate = mine.dram.bytes_per_ns * 1e3 / mine.array.clock_mhz
    latency = mine.array.controller.latency_cycles
    job = Job(layer, operands, tiles, latency, rate)
    (outcome,) = run_layers([job], design, tmp_path / "run", tmp_path / "build")
    np.testing.assert_array_equal(outcome.output, reference(layer, operands, 8))
    assert outcome.compute == priced.cycles
    total = priced.latency_ns * mine.array.clock_mhz / 1e3
    assert total == pytest.approx(outcome.total, rel=0.01)
