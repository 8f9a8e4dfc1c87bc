"""Quadratic penalties: their formulas, Avalanche's where that is right, growing networks."""

from types import SimpleNamespace

import pytest
import torch
from avalanche.training.plugins import EWCPlugin
from torch import nn

from cgap_bench.learn.methods.penalties.ewc import EWC, Labels, OnlineEWC
from cgap_bench.learn.methods.penalties.mas import MemoryAwareSynapses
from cgap_bench.learn.methods.penalties.quadratic import QuadraticPenalty, weights_of
from cgap_bench.learn.methods.penalties.si import SynapticIntelligence


def test_ewc_pulls_as_avalanches_penalty_does():
    """Two old tasks, our gradient against theirs by autograd."""
    torch.manual_seed(0)
    ours, theirs = EWC(1e-3), EWCPlugin(1e-3)
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


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, 2).double()


def images(n=20, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator).double()
    return x, torch.randint(0, 2, (n,), generator=generator)


def at_work(model, data=None):
    x, y = data or images()
    dataset = torch.utils.data.TensorDataset(x, y, torch.zeros(len(x)))
    return SimpleNamespace(
        model=model,
        device="cpu",
        train_mb_size=5,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        experience=SimpleNamespace(dataset=dataset),
    )


def test_the_gradient_is_that_of_the_penalty():
    model = linear()
    plugin = QuadraticPenalty(0.7)
    plugin.settle(
        {name: torch.rand_like(w) for name, w in model.named_parameters()},
        {name: torch.randn_like(w) for name, w in model.named_parameters()},
    )
    expected = {}
    for name, weight in model.named_parameters():
        expected[name] = 2 * 0.7 * plugin.importance[name] * (weight - plugin.anchor[name])
    model(images()[0]).sum().backward()
    before = {name: w.grad.clone() for name, w in model.named_parameters()}
    plugin.after_backward(at_work(model))
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad - before[name], expected[name])
    value = sum(
        (0.7 * plugin.importance[n] * (w - plugin.anchor[n]) ** 2).sum()
        for n, w in model.named_parameters()
    )
    assert torch.allclose(plugin.penalty(model), value)


def test_stiffness_is_bounded():
    model = linear()
    plugin = QuadraticPenalty(10.0, stiffest=3.0)
    ones = {name: torch.ones_like(w) for name, w in model.named_parameters()}
    plugin.settle(ones, {name: w.detach() - 1 for name, w in model.named_parameters()})
    assert plugin.penalty(model) == pytest.approx(0.5 * 3.0 * 8)  # springs of 3, one unit long


def test_frozen_weights_are_left_alone():
    model = linear()
    model.bias.requires_grad_(False)
    plugin = QuadraticPenalty(1.0)
    ones = {name: torch.ones_like(w) for name, w in model.named_parameters()}
    plugin.settle(ones, {name: torch.zeros_like(w) for name, w in model.named_parameters()})
    model(images()[0]).sum().backward()
    plugin.after_backward(at_work(model))
    assert model.bias.grad is None


def test_weights_that_are_replaced_or_settled_anew_are_looked_up_again():
    model = linear()
    plugin, strategy = QuadraticPenalty(0.5), at_work(model)

    def pull(importance):
        """Gradient on the weight; nothing but the penalty pulls."""
        model.weight.grad = torch.zeros_like(model.weight)
        plugin.after_backward(strategy)
        assert model.weight.grad.equal(importance * model.weight)
        assert model.weight.grad.any()

    def settle(importance):
        zeros = {"weight": torch.zeros_like(model.weight)}
        plugin.settle({"weight": torch.full_like(model.weight, importance)}, zeros)

    settle(1.0)
    pull(1.0)
    model.weight = nn.Parameter(torch.randn_like(model.weight))
    strategy.optimizer.param_groups[0]["params"][0] = model.weight
    pull(1.0)
    settle(3.0)
    pull(3.0)


def test_fisher_of_single_images_is_the_mean_squared_gradient():
    model, (x, y) = linear(), images()
    found = EWC(1.0, batch_size=1).fisher(at_work(model))
    expected = torch.zeros_like(model.weight)
    for one, label in zip(x, y, strict=True):
        probability = model(one).softmax(0).detach()
        probability[label] -= 1  # gradient of the cross-entropy
        expected += (probability[:, None] * one[None, :]) ** 2 / len(x)
    assert torch.allclose(found["weight"], expected)


def test_sampled_labels_give_the_fisher_information():
    """E over labels of the squared gradient, in closed form, against many drawn labels."""
    model, (x, _) = linear(), images(1)
    many = (x.repeat(4000, 1), torch.zeros(4000, dtype=torch.long))
    torch.manual_seed(0)
    found = EWC(1.0, labels=Labels.SAMPLED, batch_size=1).fisher(at_work(model, many))
    p = model(x[0]).softmax(0).detach()
    variance = p * (1 - p)
    expected = variance[:, None] * x[0][None, :] ** 2
    assert torch.allclose(found["weight"], expected, rtol=0.05)


def test_predicted_labels_are_the_likeliest():
    model, (x, y) = linear(), images()
    predicted = model(x).argmax(1)
    assert not torch.equal(predicted, y)
    mine = EWC(1.0, labels=Labels.PREDICTED).fisher(at_work(model))
    given = EWC(1.0).fisher(at_work(model, (x, predicted)))
    assert torch.equal(mine["weight"], given["weight"])


def test_a_share_of_the_images_is_enough():
    model = linear()
    torch.manual_seed(0)
    few = EWC(1.0, batch_size=1, n_images=5).fisher(at_work(model))
    everything = EWC(1.0, batch_size=1).fisher(at_work(model))
    assert few["weight"].shape == everything["weight"].shape
    assert not torch.equal(few["weight"], everything["weight"])


def test_online_importances_decay_and_the_anchor_moves():
    model = linear()
    plugin = OnlineEWC(1.0, decay=0.5)
    plugin.after_training_exp(at_work(model))
    first = plugin.importance["weight"].clone()
    nn.init.normal_(model.weight)
    second = plugin.fisher(at_work(model))["weight"]
    plugin.after_training_exp(at_work(model))
    assert torch.allclose(plugin.importance["weight"], 0.5 * first + second)
    assert torch.equal(plugin.anchor["weight"], model.weight)
    with pytest.raises(ValueError, match="decay=2"):
        OnlineEWC(1.0, decay=2)


def test_importances_are_measured_in_eval_mode_and_leave_no_trace():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    model.double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for plugin in (EWC(1.0), MemoryAwareSynapses(1.0)):
        plugin.after_training_exp(at_work(model))
        assert model.training
        assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
        assert all(weight.grad is None for weight in model.parameters())


def test_mas_is_the_mean_magnitude_of_the_gradient_of_the_squared_output():
    model, (x, _) = linear(), images()
    plugin = MemoryAwareSynapses(1.0, batch_size=1)
    plugin.after_training_exp(at_work(model))
    expected = torch.zeros_like(model.weight)
    for one in x:
        expected += (2 * model(one).detach()[:, None] * one[None, :]).abs() / len(x)
    assert torch.allclose(plugin.importance["weight"], expected)
    plugin.after_training_exp(at_work(model))
    assert torch.allclose(plugin.importance["weight"], 2 * expected)  # summed over tasks


def test_si_on_the_cpu_has_importances_and_they_are_the_papers(toy):
    """One step of plain SGD: omega = lr g^2, F = lr g^2 / (lr^2 g^2 + xi)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    plugin = SynapticIntelligence(1.0, damping=0.1)
    start = weights_of(model)["1.weight"]
    strategy = toy.strategy(model, [plugin], epochs=1, lr=0.1, momentum=0, weight_decay=0)
    strategy.train_mb_size = 64
    strategy.train(toy.stream()[0])
    gradient = (start - model[1].weight.detach()) / 0.1
    expected = 0.1 * gradient**2 / (0.01 * gradient**2 + 0.1)
    assert expected.abs().max() > 1e-4
    assert torch.allclose(plugin.importance["1.weight"], expected, rtol=1e-3, atol=1e-7)


def test_si_counts_the_gradient_of_the_task_alone(toy):
    """The pull of the penalty does not make a weight important."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    plugin = SynapticIntelligence(1.0)
    strategy = toy.strategy(model, [plugin], epochs=2)
    stream = toy.stream()
    strategy.train(stream[0])
    plugin.before_training_exp(strategy)
    model(torch.zeros(4, 2, 4, 4)).sum().backward()  # no gradient reaches the weight
    model[1].weight.grad.zero_()
    with torch.no_grad():
        model[1].weight.add_(1.0)
    plugin.after_backward(strategy)
    assert model[1].weight.grad.abs().max() > 0
    plugin.before_update(strategy)
    with torch.no_grad():
        model[1].weight.sub_(0.5)
    plugin.after_update(strategy)
    assert plugin.state_dict()["work"]["1.weight"].abs().max() == 0


@pytest.mark.parametrize("make", [EWC, OnlineEWC, MemoryAwareSynapses, SynapticIntelligence])
def test_its_state_can_be_stored(make, toy):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    plugin, copy = make(2.0), make(2.0)
    toy.strategy(model, [plugin], epochs=1).train(toy.stream()[0])
    copy.load_state_dict(plugin.state_dict())
    with torch.no_grad():
        model[1].weight.add_(1.0)
    assert plugin.penalty(model) > 0
    assert torch.equal(copy.penalty(model), plugin.penalty(model))
