"""Elastic weight consolidation: as strong as asked for, as Avalanche has it."""

import torch
from avalanche.training.plugins import EWCPlugin

from cgap_bench.learn.methods.regularise import StableEWC


def test_ewc_remembers_more_when_it_is_strong_and_is_plain_when_it_is_weak(records, tiny, run):
    weak = run(tiny("ewc", own={"strength": 1e-9}))
    assert weak.accuracy == records["fixed"].accuracy
    plain, held = (
        run(tiny("ewc", epochs=8, own={"strength": strength})).accuracy[1][0]
        for strength in (1e-9, 1e10)
    )
    assert held > plain + 0.1


def test_ewc_pulls_as_avalanches_penalty_does():
    """Two old tasks, importances below the cap: our gradient against theirs by autograd."""
    from types import SimpleNamespace

    torch.manual_seed(0)
    ours, theirs = StableEWC(1e-3, lr=1.0), EWCPlugin(1e-3)
    model = torch.nn.Linear(3, 2).double()
    dataset = torch.utils.data.TensorDataset(
        torch.randn(20, 3).double(), torch.randint(0, 2, (20,)), torch.zeros(20)
    )
    strategy = SimpleNamespace(
        model=model,
        _criterion=torch.nn.CrossEntropyLoss(),
        device="cpu",
        train_mb_size=5,
        optimizer=torch.optim.SGD(model.parameters()),
        experience=SimpleNamespace(dataset=dataset),
    )
    for counter in range(2):
        strategy.clock = SimpleNamespace(train_exp_counter=counter)
        for plugin in (ours, theirs):
            plugin.after_training_exp(strategy)
        torch.nn.init.normal_(model.weight)
        torch.nn.init.normal_(model.bias)
    strategy.clock = SimpleNamespace(train_exp_counter=2)
    model.zero_grad()
    strategy.loss = torch.zeros(1).double()
    theirs.before_backward(strategy)
    strategy.loss.backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=False)
    ours.after_backward(strategy)
    for parameter, gradient in zip(model.parameters(), expected):
        assert gradient.abs().max() > 0
        assert torch.allclose(parameter.grad, gradient, rtol=1e-5)
