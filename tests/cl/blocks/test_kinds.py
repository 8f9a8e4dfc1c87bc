"""Every kind of layer: grown, pruned, merged, stored and gone on with, exactly."""

import copy

import pytest
import torch
from torch import nn

from cgap_cl import Birth, CGaPConfig, L2Norm, Phases, Plan, PlasticNetwork
from cgap_cl.change import surgery
from cgap_cl.change.newborn import Random
from cgap_cl.decide import price
from cgap_cl.train.growth import GrowthLoop

X = torch.randn(5, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LINES = X.flatten(2)  # (5, 2, 36)


class Between(nn.Module):
    """A convolution, the layers to try, pooling, a head."""

    def __init__(self, *layers, conv=nn.Conv2d, n=8):
        super().__init__()
        self.stem = conv(2, 8, 3, padding=1)
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(n, 3)

    def forward(self, x):
        return self.head(self.layers(self.stem(x)).flatten(2).mean(2))


class NormAct(nn.BatchNorm2d):
    """A norm with its activation inside, as timm has it."""

    def __init__(self, n):
        super().__init__(n)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


class ConvNeXt(nn.Module):
    """A block with channels last and a bare parameter, as torchvision has it."""

    def __init__(self, n):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(n, n, 3, padding=1, groups=n), nn.LayerNorm(n)
        self.up, self.down = nn.Linear(n, 2 * n), nn.Linear(2 * n, n)
        self.scale = nn.Parameter(torch.full((n, 1, 1), 1e-6))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.down(nn.functional.gelu(self.up(y))).permute(0, 3, 1, 2)
        return x + self.scale * y


class Padded(nn.Conv2d):
    """Another padding: a forward pass of its own that is a convolution all the same."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 1, 0, 1)))


def bottleneck():
    """As in ResNeXt: three groups of four channels each."""
    return [
        nn.ReLU(),
        nn.Conv2d(8, 12, 1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, groups=3, padding=1),
        nn.BatchNorm2d(12),
        nn.Conv2d(12, 8, 1),
    ]


NETWORKS = {
    "norm with an activation": lambda: Between(NormAct(8), nn.Conv2d(8, 8, 3)),
    "grouped": lambda: Between(*bottleneck()),
    "padded": lambda: Between(nn.ReLU(), Padded(8, 8, 2, 2), nn.ReLU()),
    "strided": lambda: Between(nn.Conv2d(8, 8, 3, 2, groups=4), nn.Conv2d(8, 8, 1)),
    "prelu": lambda: Between(nn.PReLU(8), nn.Conv2d(8, 8, 3), nn.PReLU()),
    "instance norm": lambda: Between(nn.InstanceNorm2d(8, affine=True), nn.ReLU()),
    "group norm": lambda: Between(nn.GroupNorm(4, 8), nn.ReLU(), nn.Conv2d(8, 8, 3)),
    "one group": lambda: Between(nn.GroupNorm(1, 8), nn.ReLU(), nn.Conv2d(8, 8, 3)),
    "layer norm of maps": lambda: Between(nn.LayerNorm([8, 6, 6]), nn.Conv2d(8, 8, 3)),
    "convnext": lambda: Between(ConvNeXt(8), nn.Conv2d(8, 8, 2, 2), ConvNeXt(8)),
    "transposed": lambda: Between(
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 8, 3, bias=False),
    ),
    "lines": lambda: Between(
        nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU(), conv=nn.Conv1d
    ),
    "unit length": lambda: Between(nn.Conv2d(8, 8, 3), L2Norm()),
}
OVER_CHANNELS = ("one group", "layer norm of maps", "convnext", "unit length")


def make(name):
    torch.manual_seed(0)
    return NETWORKS[name]().double(), LINES if name == "lines" else X


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_are_one_network_and_keep_their_logits(name, grown, error):
    reference, x = make(name)
    network, logits = grown(reference, x)
    for label, old in enumerate(logits):
        assert torch.equal(network(x, label), old)
        assert torch.equal(network.subnetwork(label)(x), old)
    assert error(network.merged()(x), torch.cat(logits, 1)) <= 1e-12

    other = PlasticNetwork(reference, x).eval()
    other.load_state_dict(network.state_dict())
    for label in network.labels:
        assert torch.equal(other(x, label), network(x, label))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_newborn_that_nobody_reads_changes_nothing(name, randomise, error):
    """But for norms over channels, where it takes part in the mean: no promise there."""
    reference, x = make(name)
    network = PlasticNetwork(reference, x).eval()
    column = network.sprout(0, 3)
    randomise(column, torch.Generator().manual_seed(0))
    before, widths = network(x, 0), dict(column.widths)
    surgery.apply(column, Plan(grow={g: [0, 0] for g in widths}), Random())
    assert column.widths == {g: n + 2 for g, n in widths.items()}
    assert (error(network(x, 0), before) <= 1e-12) == (name not in OVER_CHANNELS)


def experience(name, stop=None):
    """A column grown, trained and pruned; stored and loaded after ``stop`` iterations."""
    reference, x = make(name)
    network, y = PlasticNetwork(reference, x), torch.arange(5) % 3
    config = CGaPConfig(
        target_price=0.5, price=price.balanced, phases=Phases(0.3, 0.5, 0.8, 2, 2)
    )
    loop = GrowthLoop(network, config)
    loop.sprout(0, 3)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.01, momentum=0.9)
    loop.start(10)
    for iteration in range(10):
        if iteration == stop:
            saved = copy.deepcopy([p.state_dict() for p in (network, optimizer, loop)])
            network = PlasticNetwork(make(name)[0], x)
            network.load_state_dict(saved[0])
            optimizer = torch.optim.SGD(network.live_parameters(), lr=0.01, momentum=0.9)
            optimizer.load_state_dict(saved[1])
            loop = GrowthLoop(network, config)
            loop.load_state_dict(saved[2])
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x, 0), y).backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)
    loop.finish(optimizer)
    return network.eval()(x, 0), loop.history


@pytest.mark.parametrize("name", NETWORKS)
def test_training_goes_on_bit_for_bit_where_it_was_stored(name):
    logits, history = experience(name)
    again, same = experience(name, stop=5)
    assert torch.equal(again, logits)
    assert same == history
    assert {"grow", "prune"} <= {entry["kind"] for entry in history}


def test_what_a_block_norms_as_a_whole_is_not_shared():
    reference, x = make("one group")
    network = PlasticNetwork(reference, x)
    assert network.layout.leading(2) == ()
    network.sprout(0, 3)
    network.merge()
    with pytest.raises(ValueError, match="each block norms its own units of 'stem'"):
        network.sprout(1, 3, Birth(ancestor=0, share={"stem": [0]}))
