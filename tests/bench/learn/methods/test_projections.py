"""Projections: bases hold what they promise, steps stay beside them, old outputs stay."""

import pytest
import torch
from torch import nn

from cgap_bench.learn.methods.projections.gpm import GradientProjection
from cgap_bench.learn.methods.projections.spaces import (
    beside,
    columns,
    extended,
    layers_of,
)
from cgap_bench.learn.methods.projections.trgp import (
    TrustRegionNetwork,
    TrustRegionProjection,
)
from cgap_bench.learn.multi_head import MultiHead


def is_orthonormal(basis):
    eye = torch.eye(basis.shape[1], dtype=basis.dtype)
    return torch.allclose(basis.T @ basis, eye, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99, 1.0])
def test_a_basis_holds_just_the_share_that_is_asked_for(threshold):
    torch.manual_seed(0)
    inputs = torch.randn(12, 40) * torch.logspace(0, -2, 12)[:, None]
    basis = extended(torch.zeros(12, 0), inputs, threshold)
    held = (basis.T @ inputs).square().sum() / inputs.square().sum()
    assert held >= threshold - 1e-6
    fewer = basis[:, :-1]
    assert (fewer.T @ inputs).square().sum() / inputs.square().sum() < threshold
    assert is_orthonormal(basis)


def test_what_the_old_basis_holds_is_not_added_again():
    torch.manual_seed(0)
    old, _ = torch.linalg.qr(torch.randn(10, 3))
    new = old @ torch.randn(3, 20) + 0.5 * torch.randn(10, 20)
    basis = extended(old, new, 0.95)
    assert torch.equal(basis[:, :3], old)
    assert 3 < basis.shape[1] < 10
    assert is_orthonormal(basis)
    assert torch.equal(extended(old, old @ torch.randn(3, 20), 0.99), old)


def test_a_full_basis_does_not_grow():
    full = torch.eye(4)
    assert extended(full, torch.randn(4, 9), 1.0).shape == (4, 4)


def test_inputs_that_are_all_zero_add_nothing():
    assert extended(torch.zeros(4, 0), torch.zeros(4, 5), 0.9).shape == (4, 0)


@pytest.mark.parametrize("padding", [0, 1])
def test_columns_are_what_a_convolution_multiplies_by(padding):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, stride=2, padding=padding, bias=False)
    x = torch.randn(2, 3, 7, 7)
    found = layer.weight.flatten(1) @ columns(layer, x, 1000)
    expected = layer(x).transpose(0, 1).flatten(1)
    assert torch.allclose(found, expected, atol=1e-5)
    assert columns(layer, x, 5).shape == (27, 5)


def test_grouped_convolutions_are_refused():
    with pytest.raises(ValueError, match="0 has 2"):
        layers_of(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)))


def trained(toy, model, plugin):
    """Weights and bases after each experience; logits of each task then, and in the end."""
    torch.manual_seed(1)
    strategy = toy.strategy(model, [plugin], epochs=10, lr=0.05)
    weights, bases, first = [], [], []
    for task, experience in enumerate(toy.stream()):
        strategy.train(experience)
        layers = layers_of(model.backbone)
        weights.append({n: layer.weight.detach().clone() for n, layer in layers.items()})
        bases.append(dict(plugin.bases))
        first.append(toy.logits(model.network_for(task), task))
    last = [toy.logits(model.network_for(task), task) for task in range(toy.n_tasks)]
    return weights, bases, first, last


@pytest.fixture(scope="module")
def gpm(toy):
    torch.manual_seed(0)
    model = MultiHead(toy.chain(), range(toy.n_tasks))
    return trained(toy, model, GradientProjection(threshold=0.97, n_images=64))


def test_gpm_updates_are_orthogonal_to_the_bases_of_old_tasks(gpm):
    """With momentum and weight decay, which a projected gradient alone would not survive."""
    weights, bases, _, _ = gpm
    for task in (1, 2):
        moved = 0.0
        for name, basis in bases[task - 1].items():
            step = (weights[task][name] - weights[task - 1][name]).flatten(1)
            assert (step @ basis).abs().max() < 1e-5
            moved += float(step.norm())
        assert moved > 0.01


def test_gpm_forgets_next_to_nothing(gpm, toy):
    _, _, first, last = gpm
    for task in range(2):
        assert toy.accuracy(first[task], task) > 0.9
        assert abs(toy.accuracy(first[task], task) - toy.accuracy(last[task], task)) < 0.05


def test_gpm_freezes_biases_and_norms_after_the_first_experience(toy):
    torch.manual_seed(0)
    model = MultiHead(toy.chain(), range(toy.n_tasks))
    plugin = GradientProjection(n_images=64)
    strategy = toy.strategy(model, [plugin], epochs=2)
    stream = toy.stream()
    strategy.train(stream[0])
    rest = {n: v.clone() for n, v in model.backbone.state_dict().items() if "weight" not in n}
    strategy.train(stream[1])
    after = model.backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in rest.items())


def test_gpm_state_can_be_stored(toy):
    torch.manual_seed(0)
    model = MultiHead(toy.chain(), range(toy.n_tasks))
    plugin, copy = GradientProjection(n_images=64), GradientProjection()
    toy.strategy(model, [plugin], epochs=1).train(toy.stream()[0])
    copy.load_state_dict(plugin.state_dict())
    assert copy.n_learnt == 1
    assert all(torch.equal(copy.bases[n], basis) for n, basis in plugin.bases.items())
    with pytest.raises(ValueError, match="threshold=0"):
        GradientProjection(threshold=0)
    with pytest.raises(ValueError, match="first_threshold=2"):
        GradientProjection(first_threshold=2)


@pytest.mark.parametrize(
    ("network", "projection"),
    [(MultiHead, GradientProjection), (TrustRegionNetwork, TrustRegionProjection)],
)
def test_the_first_layer_can_have_a_threshold_of_its_own(toy, monkeypatch, network, projection):
    """`main_pmnist.py` of the authors: .95 for the images, .99 behind the first layer."""
    torch.manual_seed(0)
    model = network(toy.chain(), range(toy.n_tasks))
    plugin = projection(threshold=0.99, first_threshold=0.5, step=0.0, n_images=64)
    inputs: dict = {}
    look = plugin.inputs
    monkeypatch.setattr(plugin, "inputs", lambda s: inputs.update(look(s)) or inputs)
    toy.strategy(model, [plugin], epochs=1).train(toy.stream()[0])
    held = {
        name: float((plugin.bases[name].T @ value).square().sum() / value.square().sum())
        for name, value in inputs.items()
    }
    first, *others = held
    assert 0.5 <= held[first] < 0.97
    assert all(held[name] > 0.97 for name in others)


def trust_region(toy):
    torch.manual_seed(0)
    return TrustRegionNetwork(toy.chain(), range(toy.n_tasks))


@pytest.fixture(scope="module")
def trgp(toy):
    model = trust_region(toy)
    plugin = TrustRegionProjection(relatedness=0.1, threshold=0.97, n_images=64)
    return model, *trained(toy, model, plugin)


def test_trgp_does_not_move_what_old_tasks_compute_with(trgp):
    model, weights, *_ = trgp
    for task in (0, 1):
        for name in model.weight_names():
            basis, layer = model.space(name, task), name.removesuffix(".weight")
            before, after = (weights[i][layer].flatten(1) @ basis for i in (task, 2))
            assert torch.allclose(before, after, atol=1e-4)
            assert not torch.equal(weights[task][layer], weights[2][layer])


def test_trgp_forgets_next_to_nothing(trgp, toy):
    *_, first, last = trgp
    for task in range(2):
        assert toy.accuracy(first[task], task) > 0.9
        assert abs(toy.accuracy(first[task], task) - toy.accuracy(last[task], task)) < 0.05


def test_trgp_scales_directions_of_related_tasks(trgp):
    model, *_ = trgp
    name = "5.weight"
    related = model.related(name, 2)
    assert related
    assert set(related) <= {0, 1}
    added = (model.weights(2)[name] - model.weight(name)).detach()
    assert added.abs().max() > 0
    spans = torch.cat([model.space(name, task) for task in related], 1)
    span, _ = torch.linalg.qr(spans)
    assert beside(added, span).abs().max() < 1e-4
    assert torch.equal(model.weights(0)[name], model.weight(name))  # the first has no elders


def test_trgp_chooses_by_the_share_of_the_gradient(toy):
    model = trust_region(toy)
    plugin = TrustRegionProjection(relatedness=0.6)
    eye = torch.eye(24)
    gradient = torch.zeros(12, 24)
    gradient[0, 0], gradient[0, 1], gradient[0, 2] = 0.7, 0.5, 0.5
    model.remember("5.weight", 0, eye[:, [1]])
    model.remember("5.weight", 1, eye[:, [0]])
    model.remember("5.weight", 2, eye[:, [0, 1]])
    assert plugin._relatives(model, "5.weight", gradient, [0, 1, 2]) == [2, 1]


def test_trgp_state_is_all_in_the_state_dict(trgp, toy):
    model, *_, last = trgp
    copy = trust_region(toy)
    copy.load_state_dict(model.state_dict())
    for task in range(toy.n_tasks):
        assert torch.equal(toy.logits(copy.network_for(task), task), last[task])
    assert copy.stored_parameters() == model.stored_parameters()


def test_trgp_stores_bases_and_scales(trgp):
    model, *_ = trgp
    spaces = sum(
        model.space(name, task).numel() for name in model.weight_names() for task in range(3)
    )
    scales = sum(
        model.space(name, elder).shape[1] ** 2
        for name in model.weight_names()
        for task in range(3)
        for elder in model.related(name, task)
    )
    shared = 108 + 288 + 6 + 12 + 12  # weights, biases, batch norm
    assert model.stored_parameters() == shared + 3 * 26 + spaces + scales


def test_gpm_protects_a_head_that_all_tasks_share(toy):
    torch.manual_seed(0)
    model = MultiHead(toy.chain(), [0])
    plugin = GradientProjection("", n_images=64)
    strategy = toy.strategy(model, [plugin], epochs=5, lr=0.05)
    stream = toy.stream(labelled=False)
    strategy.train(stream[0])
    before = model.heads["0"].weight.detach().clone()
    basis = plugin.bases["heads.0"]
    strategy.train(stream[1])
    step = model.heads["0"].weight.detach() - before
    assert (step @ basis).abs().max() < 1e-5
