"""What the energy is of, and what boards were measured to draw."""

import pytest

from cgap_hw import load_board, network_cost
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.measured_networks import measured_networks
from cgap_hw.evidence.zoo import network

CLOCK_MHZ = {"ZCU102": 281.0, "ZCU104": 300.0, "Ultra96": 287.0}
PORT_GBPS = {"ZCU102": 4.0, "ZCU104": 6.0, "Ultra96": 4.3}
ONE_IMAGE = [
    row
    for row in measured_networks("DPU")
    if row.threads_or_batch == 1 and row.size_left_ratio == 1 and row.full_w
]


def cost_of(row):
    board = load_board(row.board.lower())
    array = load_array(f"dpu-{row.size.lower()}").model_copy(
        update={"clock_mhz": CLOCK_MHZ[row.board], "port_gbps": PORT_GBPS[row.board]}
    )
    return network_cost(network(row.network), board, array)


@pytest.mark.parametrize("row", ONE_IMAGE, ids=lambda row: f"{row.board}-{row.network}")
def test_the_estimate_holds_what_boards_draw_beyond_idle(row):
    cost = cost_of(row)
    low, high = (w / cost.latency_ms for w in (cost.energy_mj.low, cost.energy_mj.high))
    assert low <= row.increment_w <= high


@pytest.mark.parametrize("row", ONE_IMAGE, ids=lambda row: f"{row.board}-{row.network}")
def test_the_whole_board_is_its_idle_power_and_the_estimate(row):
    cost = cost_of(row)
    board = cost.board_energy_mj
    idle = load_board(row.board.lower()).energy.idle_w
    assert board.mid == pytest.approx(cost.energy_mj.mid + idle.mid * cost.latency_ms)
    assert board.low / cost.latency_ms <= row.full_w <= board.high / cost.latency_ms
    assert idle.low <= row.idle_w <= idle.high


def test_an_unknown_idle_power_is_not_made_up():
    cost = network_cost(network("resnet18"), load_board("pynq-z2"))
    assert cost.idle_w is None
    assert cost.board_energy_mj is None
