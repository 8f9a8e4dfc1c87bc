"""The convenience strategy."""

import pytest
import torch
from avalanche.training.plugins import (
    EvaluationPlugin,
)

from cgap_cl import (
    CGaP,
    CGaPConfig,
    GrowthPolicy,
)
from cgap_cl.decide import price

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


CONFIG = CGaPConfig(
    target_price=0.5, price=price.balanced, growth=GrowthPolicy(linear_capacity=1.0)
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


def test_convenience_strategy(network, stream):
    host = CGaP(
        model=network,
        optimizer=torch.optim.AdamW(network.parameters()),
        config=CONFIG,
        train_epochs=4,
        train_mb_size=16,
        evaluator=EvaluationPlugin(),
    )
    run(host, network, stream, X)
    kinds = [step["kind"] for step in host.cgap.history]
    assert kinds.count("merge") == kinds.count("sprout") == 3
    assert {"grow", "prune"} <= set(kinds)
