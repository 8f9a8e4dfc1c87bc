"""Prices of a column on a board: as the whole network is priced, and fast."""

import time
from itertools import pairwise

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.run.experiences import train
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.shapes.board_price import BoardPrice, Quantity
from cgap_bench.shapes.tracing import layer_shapes
from cgap_bench.show.derive import Platform, runs_frame
from cgap_cl import Birth, GrowthPolicy, Plan, PlasticNetwork, PruningPolicy, Where
from cgap_cl.blocks.block import connect
from cgap_cl.change import surgery
from cgap_hw import LayerShape, load_board, network_cost
from cgap_hw.boards.board import FOLDER
from cgap_hw.layers.table import LayerTable

BOARD = "zcu104"
X = torch.zeros(1, 3, 32, 32)


def branches():
    """Residual sum, depthwise, gate, concat and flatten in one network."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20)
            self.deep = nn.Conv2d(20, 20, 3, padding=1, groups=20)
            self.back = nn.Conv2d(20, 20, 1)
            self.gate, self.open = nn.Conv2d(20, 4, 1), nn.Conv2d(4, 20, 1)
            self.side = nn.Conv2d(20, 12, 3, padding=1)
            self.hidden, self.head = nn.Linear(32 * 16, 24), nn.Linear(24, 5)

        def forward(self, x):
            x = self.norm(self.stem(x)).relu()
            y = self.back(self.deep(x).relu())
            y = y * self.open(self.gate(y.mean((2, 3), keepdim=True)).relu()).sigmoid()
            x = torch.cat([x + y, self.side(x)], 1)
            x = nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)
            return self.head(self.hidden(x).relu())

    return Net()


NETWORKS = {
    "alexnet": lambda: build_network(
        NetworkSettings(name="alexnet-gpm", width=0.25), (3, 32, 32), 10
    ),
    "branches": branches,
}


def grown(name, reading):
    """A base of one block, and a column that may read every other input of it."""
    torch.manual_seed(0)
    network = PlasticNetwork(NETWORKS[name](), X)
    network.sprout(0, 5)
    network.merge()
    column = network.sprout(1, 5, Birth(network.layout.scaled(0.4)))
    if reading:
        older = network.block(0)
        for layer in map(column.layer, network.layout.lateral_names):
            index = torch.arange(older.layer(layer.name).own.weight.shape[1])[1::2]
            if len(index):
                connect(layer, older, index)
    return network, column


@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("quantity", list(Quantity))
def test_prices_are_those_of_the_traced_subnetwork(name, reading, quantity):
    network, column = grown(name, reading)
    price = BoardPrice(quantity, BOARD, X)(network)
    board = load_board(BOARD)

    def direct(module):
        shapes = [LayerShape(**layer) for layer in layer_shapes(module.eval(), X)]
        cost = network_cost(shapes, board)
        ms = cost.latency_ms - board.array.call_overhead_us * 1e-3
        return {"latency": ms, "energy": cost.energy_mj.mid, "dram-bytes": cost.dram_bytes}[
            quantity.value
        ]

    reference = PlasticNetwork(NETWORKS[name](), X)
    reference.sprout(0, 5, Birth(reference.layout.widths))
    full = direct(reference.subnetwork(0))
    for more in (0, 1, 2):  # price first, change afterwards
        widths = {g: n + more * (i % 3) for i, (g, n) in enumerate(column.widths.items())}
        promised = price(widths)
        plan = Plan(grow={g: [0] * (widths[g] - n) for g, n in column.widths.items()})
        surgery.apply(column, plan)
        assert column.widths == widths
        assert promised == pytest.approx(direct(network.subnetwork(1)) / full, rel=1e-9)
        assert BoardPrice(quantity, BOARD, X)(network)(widths) == pytest.approx(promised)


def test_the_trace_is_used_again_until_the_column_reads_something_else():
    network, column = grown("branches", True)
    factory = BoardPrice(Quantity.LATENCY, BOARD, X)
    price = factory(network)
    assert factory(network) is price
    connect(column.layer("hidden"), network.block(0), torch.arange(2))
    assert factory(network) is not price


def test_planning_is_fast():
    """A growth event and a pruning step of the protocols' AlexNet: thousands of prices."""
    network = PlasticNetwork(NETWORKS["alexnet"](), X)
    column = network.sprout(0, 5, Birth(network.layout.scaled(0.5)))
    price = BoardPrice(Quantity.LATENCY, BOARD, X)(network)
    n_calls = 0

    def counted(widths):
        nonlocal n_calls
        n_calls += 1
        return price(widths)

    scores = {g: torch.rand(n) for g, n in column.widths.items()}
    start = time.process_time()
    for where in Where:
        policy = GrowthPolicy(1.0, where, linear_capacity=1.0)
        policy.plan(scores, network.layout.widths, counted, 1.0)
        PruningPolicy(where).plan(scores, column.widths, counted, 0.2)
    assert n_calls > 1000
    assert (time.process_time() - start) / n_calls < 1e-3  # network_cost takes about as long


def test_widths_that_fill_lanes_cost_less_each():
    """The staircase: the price jumps where a row of lanes is opened, and there only."""
    network = PlasticNetwork(NETWORKS["alexnet"](), X)
    column = network.sprout(0, 5)
    price = BoardPrice(Quantity.LATENCY, BOARD, X)(network)
    lanes = int(load_board(BOARD).array.grain.channels)
    costs = [price({**column.widths, "conv2": n}) for n in range(lanes - 2, 2 * lanes + 2)]
    steps = [after - before for before, after in pairwise(costs)]
    assert steps[2] == pytest.approx(max(steps))  # lanes -> lanes + 1
    assert steps[2] > 2 * max(steps[3 : lanes + 2])


def test_growth_steered_by_latency_is_faster_at_equal_accuracy():
    """Digits, the quick preset: the share of the reference that the plain run comes to."""
    name, recipe = load_recipe("split-digits")
    platform, found = Platform(load_board(BOARD)), []
    for extra in ([], ["cgap.price=latency", "cgap.target_price=0.35"]):
        config = resolve(name, recipe, "quick", ["cgap.share_groups=0", *extra])
        record = train(config.config("cgap", 0), data_root())
        found.append(runs_frame([record], platform).iloc[0])
    plain, steered = found
    assert steered["latency_ms"] < 0.95 * plain["latency_ms"]
    assert steered["energy_mj"] < 0.95 * plain["energy_mj"]
    assert steered["accuracy"] > plain["accuracy"] - 0.01
    assert steered["accuracy"] > 0.97


def test_unknown_boards_are_named():
    with pytest.raises((UsageError, ValueError), match="zcu104"):
        BoardPrice(Quantity.LATENCY, "zcu10", X)


@pytest.mark.parametrize("quantity", Quantity)
def test_engines_that_share_their_multipliers_have_no_price_by_layers(quantity, tmp_path):
    """Alone a 32 -> 32 layer had the whole budget, in a table of 256 widths a 256th of it."""
    path = tmp_path / "mine.toml"
    text = (FOLDER / "pynq-z2.toml").read_text()
    board, _ = text.split("[array]")
    array = 'style = "streaming"\nbudget = 64\nclock_mhz = 100\nsource = "mine"'
    path.write_text(f"{board}[array]\n{array}\n")
    with pytest.raises(
        UsageError, match=r"^the array of .* is not priced layer by layer; choose"
    ):
        BoardPrice(quantity, str(path), X)


@pytest.mark.parametrize("quantity", Quantity)
def test_frozen_layers_are_part_of_every_price(quantity):
    """The whole network costs 1 of itself; at no width less than what is frozen."""
    stem = nn.Conv2d(2, 16, 3, padding=1).requires_grad_(False)
    reference = nn.Sequential(
        stem, nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(128, 3)
    )
    x = torch.zeros(1, 2, 6, 6)
    network = PlasticNetwork(reference, x)
    network.sprout(0, 3)
    priced = BoardPrice(quantity, "zcu104", x)(network)
    assert priced({"2": 8}) == pytest.approx(1.0)
    cost = BoardPrice(quantity, "zcu104", x)._cost
    layers = layer_shapes(network.subnetwork(0), x)
    whole, first = (
        float(cost(LayerTable.of([LayerShape(**layer) for layer in some])).sum())
        for some in (layer_shapes(reference, x), layers[:1])
    )
    assert priced({"2": 1}) > first / whole > 0
