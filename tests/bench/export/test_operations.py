"""Kept graphs as layers: the same function, and as few layers as hardware needs."""

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.export.kept import exported
from cgap_bench.export.operations import layers_of
from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect_all


def settled(network):
    """Batch norms that have seen something."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.3, 0.3)
            norm.running_var.uniform_(0.5, 2)
    return network.eval()


def second_task(reference, shape):
    """A subnetwork that reads two blocks, over channels that lie apart."""
    network = PlasticNetwork(reference, torch.zeros(2, *shape))
    for task in range(2):
        column = network.sprout(task, 5, Birth(network.layout.scaled(0.5)))
        if task:
            connect_all(column, network.block(0))
        network.merge()
    return settled(network.subnetwork(1))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("digits-cnn", (1, 8, 8)),
        ("resnet20", (3, 16, 16)),
        pytest.param("wrn-28-2", (3, 16, 16), marks=pytest.mark.slow),
    ],
)
def test_blocks_side_by_side_become_the_layers_of_the_reference(name, shape):
    torch.manual_seed(0)
    reference = build_network(NetworkSettings(name=name, width=0.25), shape, 5)
    network, x = second_task(reference, shape), torch.randn(3, *shape)
    layers = layers_of(exported(network, shape))
    torch.testing.assert_close(layers(x), network(x), rtol=1e-5, atol=1e-5)
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    count = [sum(isinstance(m, k) for m in layers.modules()) for k in kinds]
    assert count == [sum(isinstance(m, k) for m in reference.modules()) for k in kinds]
    functions = {n.target.__name__ for n in layers.graph.nodes if n.op == "call_function"}
    assert functions <= {"add"}


class Everything(nn.Module):
    """Settings that stand last in an operation's list, and channels that nothing joins."""

    def __init__(self):
        super().__init__()
        self.groups = nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=False)
        self.wide = nn.Conv2d(6, 6, (3, 1), padding="same", dilation=2)
        self.max = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.mean = nn.AvgPool2d((2, 1), (1, 2), (1, 0), count_include_pad=False)
        self.norm = nn.BatchNorm2d(6, affine=False)
        self.leaky = nn.LeakyReLU(0.3)
        self.pool, self.flatten = nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten()
        self.register_buffer("order", torch.tensor([5, 0, 3]))

    def forward(self, x):
        x = self.max(self.groups(x))
        y = self.leaky(self.norm(self.mean(x) * 2.0))
        z = torch.sigmoid(self.wide(x)).index_select(1, self.order)
        both = torch.cat([self.pool(y), self.pool(z)], dim=1)
        return self.flatten(both.narrow(2, 0, 1)).tanh()


def test_settings_are_carried_over():
    torch.manual_seed(0)
    network, x = settled(Everything()), torch.randn(2, 4, 17, 17)
    layers = layers_of(exported(network, (4, 17, 17)))
    torch.testing.assert_close(layers(x), network(x), rtol=1e-5, atol=1e-5)


class Shared(nn.Module):
    """A layer that is read twice: it cannot become part of another one."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        one, two = self.first(x), self.second(x.narrow(1, 0, 4))
        return torch.cat([one, two], dim=1) + torch.cat([two, one], dim=1) + one.sum() * 0


def test_what_has_no_rule_is_named():
    program = exported(Shared(), (4,))
    with pytest.raises(
        UsageError, match=r"sum cannot be written for hardware; known: adaptive"
    ):
        layers_of(program)


def test_a_norm_of_the_batch_itself_is_refused():
    norm = nn.BatchNorm1d(3, track_running_stats=False).eval()
    with pytest.raises(UsageError, match="its norm takes the batch"):
        layers_of(exported(norm, (3,)))
