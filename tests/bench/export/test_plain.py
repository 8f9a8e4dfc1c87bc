"""Networks in plain operations: the same function, whatever they were written with."""

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.export.plain import plain
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect_all
from cgap_cl.blocks.blockwise import BlockwiseLayer


def settled(network):
    """Batch norms that have seen something."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.3, 0.3)
            norm.running_var.uniform_(0.5, 2)
    return network.eval()


def grown():
    """A task that reads two blocks, over channels that lie apart."""
    reference = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(6, 5),
    )
    network = PlasticNetwork(reference, torch.zeros(2, 1, 8, 8))
    for task in range(2):
        column = network.sprout(task, 5, Birth(network.layout.scaled(0.5)))
        if task:
            connect_all(column, network.block(0))
        network.merge()
    return network.subnetwork(1)


class Grouped(nn.Module):
    """Grouped and depthwise convolutions, a norm that nothing folds, and a sum."""

    def __init__(self):
        super().__init__()
        self.groups = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.depth = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.norm = nn.BatchNorm2d(6)
        self.pool = nn.AdaptiveAvgPool2d((2, 1))

    def forward(self, x):
        x = self.groups(x)
        return self.pool(self.norm(x + self.depth(x)))


@pytest.mark.parametrize(("make", "size"), [(grown, (1, 8, 8)), (Grouped, (4, 8, 8))])
def test_the_function_stays_and_only_plain_layers_are_left(make, size):
    torch.manual_seed(0)
    network, x = settled(make()), torch.randn(3, *size)
    graph = plain(network, x)
    torch.testing.assert_close(graph(x), network(x), rtol=1e-5, atol=1e-5)

    odd = (BlockwiseLayer, nn.AdaptiveAvgPool2d, nn.Dropout, nn.BatchNorm1d)
    assert not [m for m in graph.modules() if isinstance(m, odd)]
    assert all(m.groups == 1 for m in graph.modules() if isinstance(m, nn.Conv2d))


def test_the_network_itself_is_left_as_it_was():
    network = settled(grown())
    before = {k: v.clone() for k, v in network.state_dict().items()}
    plain(network, torch.randn(2, 1, 8, 8))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_norm_whose_layer_is_read_twice_is_not_folded():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) + y

    network, x = settled(Twice()), torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(plain(network, x)(x), network(x))


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Branching(), "cannot follow the network's graph"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(3)), "to \\[3, 3\\] has uneven windows"),
    ],
)
def test_what_cannot_be_written_out_is_told(network, said):
    with pytest.raises(UsageError, match=said):
        plain(network, torch.ones(1, 1, 8, 8))
