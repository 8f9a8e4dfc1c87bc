"""Weight alignment of a shared head."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    PlasticNetwork,
)
from cgap_cl.network import head

X = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def column():
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    network = PlasticNetwork(reference.double(), X).train()
    return network, network.sprout(0, 3, Birth({"0": 5, "2": 4}))


def test_alignment_equals_mean_norms(column):
    block = column[1]
    own = block.head.own.weight
    factor = head.align(block, {0}, {1, 2})
    norms = own.detach().norm(dim=1)
    assert factor != 1
    torch.testing.assert_close(norms[1:].mean(), norms[0])
    assert head.align(block, set(), {1}) == 1
