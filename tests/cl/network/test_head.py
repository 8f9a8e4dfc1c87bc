"""Heads have one output a class, whatever the ids."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    PlasticNetwork,
)
from cgap_cl.decide.price import macs
from cgap_cl.network import head


def test_a_head_has_one_output_per_class_of_its_task(architectures):
    """Classes 98 and 99 cost what 0 and 1 cost; logits stand at the ids."""
    x = torch.randn(5, 2, 6, 6)
    networks = []
    for classes in ([0, 1], [98, 99]):
        torch.manual_seed(0)
        network = PlasticNetwork(architectures["chain"](), x)
        network.sprout(0, classes)
        networks.append(network.eval())
    low, high = networks
    assert macs(high)(high.newest.widths) == macs(low)(low.newest.widths)
    assert torch.equal(high(x, 0)[:, 98:], low(x, 0))
    assert set(high(x, 0).argmax(1).tolist()) <= {98, 99}
    targets = torch.tensor([0, 1, 0, 1, 1])
    losses = [
        nn.functional.cross_entropy(net(x, 0), targets + first)
        for net, first in ((low, 0), (high, 98))
    ]
    torch.testing.assert_close(*losses)
    high.merge()
    assert torch.equal(high(x, 0)[:, 98:], high.subnetwork(0)(x))
    mixed = high(x, torch.tensor([0, 0, 7, 0, 0]))
    assert mixed.shape == (5, 100)


def test_classes_that_come_later_follow_those_that_were_there(architectures):
    x = torch.randn(5, 2, 6, 6)
    network = PlasticNetwork(architectures["chain"](), x).eval()
    network.sprout(0, [7, 3])
    network.merge()
    old = network(x, 0)
    column = network.sprout(0, [3, 1, 9], Birth(ancestor=0))
    assert column.classes == (7, 3, 1, 9)
    torch.testing.assert_close(network(x, 0)[:, [7, 3]], old[:, [7, 3]])
    again = PlasticNetwork(architectures["chain"](), x).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x, 0), network(x, 0))
    with pytest.raises(ValueError, match="ids from 0 on"):
        head.class_ids([-1])
