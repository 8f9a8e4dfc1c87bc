"""What an array uses, and what a board has not."""

import pytest

from cgap_hw import CostModelError, LayerShape, board_names, load_board, network_cost
from cgap_hw.arrays import Streaming, Systolic
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.zoo import network
from cgap_hw.price.banks import Banks
from cgap_hw.price.usage import dsp_blocks, usage

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


def test_blocks_of_published_memories():
    """Yosys 0.23: 2048 x 256 bits take 29 RAMB18, 2048 x 128 take 15."""
    assert Banks("wide", 1, 256, 2048).blocks("RAMB18") == 29
    assert Banks("half", 1, 128, 2048).blocks("RAMB18") == 15
    assert Banks("deep", 2, 80, 5000).uram == 2 * 2 * 2


@pytest.mark.parametrize(("bits", "dsp"), [(8, 8 * 8 * 24 // 2), (16, 8 * 8 * 24)])
def test_two_narrow_multipliers_share_a_dsp_block(bits, dsp):
    board = load_board("zcu102")
    assert usage(LAYERS, board, board.array, bits).dsp == dsp
    odd = board.array.model_copy(update={"pof": 23})
    pairs = 12 if bits == 8 else 23
    assert usage(LAYERS, board, odd, bits).dsp == 8 * 8 * pairs


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("bits", [8, 16])
def test_every_board_holds_its_own_array(name, bits):
    board = load_board(name)
    for layers in (LAYERS, network("resnet18"), network("vgg16")):
        used = usage(layers, board, board.array, bits)
        assert 0 < used.ratios["dsp"] <= 1
        assert used.ratios["block_ram"] + used.ratios["uram"] > 0
        assert max(used.ratios["block_ram"], used.ratios["uram"]) <= 1


def test_too_many_multipliers_are_refused_unless_stated_as_logic():
    board = load_board("arria-10-gx1150")
    bare = board.array.model_copy(update={"logic_macs": 0})
    with pytest.raises(CostModelError, match=r"has 1518 dsp, and this array needs 1568"):
        usage(LAYERS, board, bare)
    used = usage(LAYERS, board, board.array)
    assert used.dsp == 1518
    assert used.logic_macs == 100
    assert any("dsp 100 % is above the usual 80 %" in text for text in used.warnings)


@pytest.mark.parametrize(
    ("name", "bits", "blocks"), [("arria-10-gx1150", 32, 200), ("zcu102", 32, 400)]
)
def test_a_wide_multiplier_in_logic_saves_all_its_blocks(name, bits, blocks):
    """100 of them: of 32 bits each takes two blocks of Intel's, four of AMD's."""
    board = load_board(name)
    few = board.array.sized(4, 4, 8).model_copy(update={"logic_macs": 0})
    some = few.model_copy(update={"logic_macs": 100})
    needed = int(dsp_blocks(few, board, bits))
    assert needed == few.n_macs * blocks // 100
    assert needed - int(dsp_blocks(some, board, bits)) == blocks


def test_a_dpu_has_words_of_8_bits_on_its_maker_s_chips():
    array = load_array("dpu-b1152")
    for price in (network_cost, usage):
        with pytest.raises(CostModelError, match="words of 8 bits, got 16"):
            price(LAYERS, load_board("zcu102"), array, bits=16)
        with pytest.raises(CostModelError, match="RAMB18 blocks, and this board has M20K"):
            price(LAYERS, load_board("stratix-10-gx2800"), array)
    assert network_cost(LAYERS, load_board("zcu102"), array, bits=4).latency_ms > 0


@pytest.mark.parametrize(("size", "dsp", "lut"), [("b1152", 194, 28698), ("b4096", 642, 40865)])
def test_dpu_cores_take_what_is_published(size, dsp, lut):
    board = load_board("zcu102")
    array = load_array(f"dpu-{size}").model_copy(update={"cores": 3, "port_gbps": 4.0})
    used = usage(LAYERS, board, array)
    assert (used.dsp, used.lut.mid) == (3 * dsp, 3 * lut)
    assert used.block_ram <= 3 * 2 * 249.5
    many = load_array("dpu-b4096").model_copy(update={"cores": 3})
    with pytest.raises(CostModelError, match="1248 dsp, and this array needs 1926"):
        usage(LAYERS, load_board("kv260"), many)
    odd = array.model_copy(update={"inputs": 15})
    assert usage(LAYERS, board, odd).dsp is None
    assert "B512" in usage(LAYERS, board, odd).unknown[0]


def test_ports_of_all_cores_are_within_the_dram():
    board = load_board("zcu104")
    crowd = load_array("dpu-b512").model_copy(update={"cores": 64})
    with pytest.raises(CostModelError, match=r"64 ports of 6 GB/s ask for 384, .* most 19.2"):
        network_cost(LAYERS, board, crowd)
    assert network_cost(LAYERS, board, crowd.model_copy(update={"cores": 3})).latency_ms > 0


def test_weights_of_a_streaming_design_fit_on_chip():
    board = load_board("pynq-z2")
    array = Streaming(budget=200, clock_mhz=100, source="made up")
    with pytest.raises(CostModelError, match=r"weights on chip.* 138.34 MB.* have 0.65"):
        network_cost(network("vgg16"), board, array)
    assert network_cost(LAYERS, board, array).latency_ms > 0
    used = usage(LAYERS, board, array)
    assert used.dsp == 200
    assert used.block_ram == -(-(16 * 25 * 9 + 25 * 256 * 10) * 8 // 18432)
    assert "LUTs" in used.unknown[0]


@pytest.mark.parametrize(
    "array",
    [load_array("m32p32"), Systolic(rows=8, columns=8, clock_mhz=100, source="made up")],
    ids=lambda array: array.style,
)
def test_what_is_not_known_is_said(array):
    used = usage(LAYERS, load_board("zcu102"), array)
    assert used.lut is None
    assert used.unknown
    assert used.dsp == (None if array.style == "flat" else 32)
    assert "lut" not in used.ratios
