"""Rows that are held out steer, and are not trained on."""

import pytest
import torch
from avalanche.training import Cumulative
from torch import nn

from cgap_cl import (
    CGaPConfig,
    Inherit,
)
from cgap_cl.decide import price

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


def run(host, network, stream, x):
    """Train all experiences; old logits must stay bit for bit."""
    first = {}
    for experience in stream.train_stream:
        host.train(experience)
        host.eval(stream.test_stream)
        for label in network.labels:
            logits = network.eval()(x, label)
            assert torch.equal(network.subnetwork(label)(x), logits)
            assert torch.equal(first.setdefault(label, logits), logits)
    return first


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("inherit", list(Inherit))
def test_held_out_rules(network, stream, inherit, strategy):
    config = CGaPConfig(
        target_price=0.5,
        price=price.balanced,
        inherit=inherit,
        held_out_share=0.25,
        growth_patience=1,
        pruning_tolerance=0.0,
        trial_iterations=3,
    )
    host = strategy(network, config=config)
    run(host, network, stream, X)
    assert all(
        entry["kind"] != "sprout" or "ancestor" in entry for entry in host.plugins[0].history
    )


def test_cumulative_does_not_train_on_what_is_held_out(network, strategy, part, stream_of, at):
    sizes = []
    host = strategy(
        network,
        at("epoch", lambda host: sizes.append(len(host.adapted_dataset))),
        kind=Cumulative,
        train_epochs=1,
        criterion=nn.CrossEntropyLoss(),
        config=CGaPConfig(held_out_share=0.25),
    )
    stream = stream_of([part((0, 1, 2), 40), part((0, 1, 2), 40, 1)], [0, 1])
    for experience in stream.train_stream:
        host.train(experience)
    assert sizes == [30, 70]


def test_a_class_that_is_only_held_out(network, strategy, part, stream_of):
    config = CGaPConfig(held_out_share=0.5, inherit=Inherit.BEST, trial_iterations=2)
    host = strategy(network, config=config, train_epochs=2)
    for experience in stream_of([part((0, 1, 2), 12), part((0, 1, 2), 6)], [0, 1]).train_stream:
        host.train(experience)
    assert network(X, 1).shape == (7, 3)
