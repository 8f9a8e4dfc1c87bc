"""Prices on every board, against counts by hand and bounds that no accelerator can beat."""

import math

import pytest

from cgap_hw import (
    CostModelError,
    CostOptions,
    LayerShape,
    UnknownNameError,
    board_names,
    load_board,
    network_cost,
)

CONV = LayerShape(
    name="conv", kind="conv", n_in=64, n_out=100, in_h=14, in_w=14, out_h=14, out_w=14,
    kernel_h=3, kernel_w=3, padding_h=1, padding_w=1, bias=True,
)  # fmt: skip
POOL = LayerShape(
    name="pool", kind="pool", n_in=100, n_out=100, in_h=14, in_w=14, out_h=7, out_w=7,
    kernel_h=2, kernel_w=2, stride_h=2, stride_w=2, pool_kind="max",
)  # fmt: skip
LINEAR = LayerShape(name="head", kind="linear", n_in=4900, n_out=10, bias=True)
NETWORK = [CONV, POOL, LINEAR]


def test_counts_by_hand():
    assert CONV.macs == 64 * 100 * 9 * 14 * 14
    assert (CONV.n_weights, CONV.parameters) == (57600, 57700)
    cost = network_cost(NETWORK, load_board("zcu102"))
    assert cost.macs == CONV.macs + 49000
    assert cost.n_weights == 57600 + 49000


def test_cycles_of_the_board_s_array():
    """8 x 8 x 24: 9 * 64 windows, ceil(100 / 24) = 5, ceil(14 / 8) = 2 both ways."""
    conv, pool, linear = network_cost(NETWORK, load_board("zcu102")).layers
    assert conv.cycles == 9 * 64 * 5 * 2 * 2
    assert pool.cycles == math.ceil(100 * 49 * 4 / 64)
    assert linear.cycles == 4900


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("bits", [8, 16])
def test_every_board_prices_the_network(name, bits):
    cost = network_cost(NETWORK, load_board(name), bits=bits)
    parts = cost.conv_latency_ms + cost.linear_latency_ms + cost.other_latency_ms
    assert cost.latency_ms == pytest.approx(parts)
    assert 0 < cost.energy_mj.low < cost.energy_mj.mid < cost.energy_mj.high
    assert cost.energy_mj.mid == pytest.approx(
        sum(e.mid for e in cost.energy_split_mj.values())
    )
    words = CONV.n_weights + LINEAR.n_weights + 64 * 196 + 2 * 100 * 196 + 2 * 4900 + 10
    assert cost.dram_bytes >= words * bits / 8
    assert 0 < cost.utilisation_ratio <= 1


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
        name="sum", kind="add", n_in=64, n_out=64, in_h=14, in_w=14, out_h=14, out_w=14,
        inputs=(0, 1),
    )  # fmt: skip
    cost = network_cost([same, same, add], board, options=CostOptions(resident_maps=True))
    assert cost.moved.output_bytes[0] == 64 * 196
    assert cost.moved.pixel_bytes[2] == 2 * 64 * 196
    later = add.model_copy(update={"inputs": (0, 5)})
    with pytest.raises(CostModelError, match="comes later"):
        network_cost([same, same, later], board, options=CostOptions(resident_maps=True))


def test_unknown_board_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="'zcu-102'; did you mean 'zcu102'"):
        load_board("zcu-102")


def test_own_board_file(tmp_path):
    path = tmp_path / "mine.toml"
    from cgap_hw.boards.board import FOLDER

    text = (FOLDER / "zcu102.toml").read_text()
    path.write_text(text)
    assert load_board(path) == load_board("zcu102")
    for old, new, said in [
        ('source = "8x8x24', 'sauce = "8x8x24', "array.output_stationary"),
        ("pox = 8", "pox = 0", "greater than or equal to 1, got 0"),
        ("[dram]", "[dram", "cannot read board file"),
    ]:
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(CostModelError, match=said):
            load_board(path)
    with pytest.raises(CostModelError, match="cannot read board file"):
        load_board(tmp_path / "none.toml")
    path.write_text('name = "mine"\ndescription = "a board"\n')
    with pytest.raises(CostModelError, match=r"missing: resources, dram, energy, part, array"):
        load_board(path)


@pytest.mark.parametrize(
    ("layers", "bits", "said"),
    [([], 8, "at least one layer"), ([CONV], 0, "bits must be 1 to 32, got 0")],
)
def test_what_cannot_be_priced_is_refused(layers, bits, said):
    with pytest.raises(CostModelError, match=said):
        network_cost(layers, load_board("zcu102"), bits=bits)


def test_a_layer_too_wide_for_the_buffers_is_named():
    wide = CONV.model_copy(update={"in_w": 4_000_000, "out_w": 4_000_000})
    with pytest.raises(CostModelError, match=r"layer 1 .* cannot be tiled into the buffers"):
        network_cost([CONV, wide], load_board("pynq-z2"))


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        LayerShape(name="x", kind="conv", n_in=-3, n_out=4)
    with pytest.raises(ValueError, match=r"out_w=9 is more than in_w=4, kernel_w=3 .* \(7\)"):
        LayerShape(
            name="x", kind="conv", n_in=3, n_out=4, in_w=4, out_w=9, kernel_w=3, padding_w=2
        )  # fmt: skip
    with pytest.raises(ValueError, match="groups=3 must divide"):
        LayerShape(name="x", kind="conv", n_in=4, n_out=4, groups=3)


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
