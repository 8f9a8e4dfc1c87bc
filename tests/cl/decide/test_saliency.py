"""Scores follow permutations of units, and gradient scores ignore the scale of a ReLU unit."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    Birth,
    PlasticNetwork,
)
from cgap_cl.decide import saliency

X = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


SCORES = {
    "weight_gradient": saliency.weight_gradient,
    "magnitude": saliency.magnitude,
}


@pytest.fixture
def column():
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    network = PlasticNetwork(reference.double(), X).train()
    return network, network.sprout(0, 3, Birth({"0": 5, "2": 4}))


def scores(network, column, score):
    network.zero_grad()
    network(X, 0).square().sum().backward()
    return saliency.score_units(column, score)["0"]


@pytest.mark.parametrize("name", SCORES)
def test_permuting_units_permutes_scores(column, name):
    before = scores(*column, SCORES[name])
    first, second = column[1].layer("0").own, column[1].layer("2").own
    order = torch.tensor([3, 1, 4, 0, 2])
    first.weight.data, first.bias.data = first.weight.data[order], first.bias.data[order]
    second.weight.data = second.weight.data[:, order]
    torch.testing.assert_close(scores(*column, SCORES[name]), before[order])
    assert len(before.unique()) == 5


def test_rescaling_a_relu_unit_keeps_its_score(column):
    before = scores(*column, saliency.weight_gradient)
    first, second = column[1].layer("0").own, column[1].layer("2").own
    first.weight.data[2] *= 7
    first.bias.data[2] *= 7
    second.weight.data[:, 2] /= 7
    torch.testing.assert_close(scores(*column, saliency.weight_gradient), before)


def test_a_gradient_score_needs_a_backward_pass(column):
    with pytest.raises(ValueError, match="call it after backward"):
        saliency.score_units(column[1], saliency.weight_gradient)
