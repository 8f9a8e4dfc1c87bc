"""The optimizer of a preset."""

import pytest
import torch
from torch import nn

from cgap_bench.learn.loop.optimizers import optimizer_of
from cgap_bench.record.configuration import TrainingSettings
from cgap_bench.record.identity import run_id


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_fused_step_is_the_same_but_for_rounding(optimizer):
    steps = []
    for fused in (False, True):
        torch.manual_seed(0)
        layer = nn.Linear(20, 30)
        training = TrainingSettings(
            epochs=1, lr=0.1, optimizer=optimizer, weight_decay=0.01, fused=fused
        )
        made = optimizer_of(layer.parameters(), training)
        for _ in range(3):
            made.zero_grad()
            layer(torch.ones(4, 20)).square().sum().backward()
            made.step()
        assert made.defaults["lr"] == 0.1
        assert bool(made.defaults["fused"]) is fused
        steps.append(layer.weight.detach())
    torch.testing.assert_close(*steps)


def test_another_rate_than_the_settings(tiny):
    made = optimizer_of(nn.Linear(1, 1).parameters(), tiny("fixed").training, 1e-6)
    assert made.defaults["lr"] == 1e-6


def test_fused_is_another_run(tiny):
    assert run_id(tiny("fixed", fused=True)) != run_id(tiny("fixed"))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_network_that_grows_takes_fused_steps(tiny, run, optimizer):
    """State of survivors is carried, and goes on after a growth and a pruning."""
    record = run(tiny("cgap", optimizer=optimizer, fused=True, epochs=4))
    assert record.accuracy[-1][-1] > 0.5
