"""Scores of a column in training: one a unit, drawn by a generator of its own."""

import torch
from torch import nn

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    PlasticNetwork,
)
from cgap_cl.decide import saliency
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_batch_norm_behind_flatten_has_one_score_a_unit(strategy, stream):
    network = PlasticNetwork(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AvgPool2d(3),
            nn.Flatten(),
            nn.BatchNorm1d(16),
            nn.Linear(16, 6),
            nn.ReLU(),
            nn.Linear(6, 3),
        ),
        X,
    )
    config = CGaPConfig(target_price=0.5, growth=WIDE, score=saliency.magnitude)
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    column = network.sprout(1, 3)
    network.train()(X, 1).square().sum().backward()
    for group, scores in saliency.score_units(column, saliency.weight_gradient).items():
        assert scores.shape == (column.widths[group],)


def test_a_config_can_be_used_twice(network):
    """A score that draws has a generator of its own in every loop."""
    config = CGaPConfig(score=saliency.RandomScore(3))
    rows = [saliency.Rows(torch.ones(5, 2), None)]
    first, second = (GrowthLoop(network, config).scores.score(rows) for _ in range(2))
    assert torch.equal(first, second)
