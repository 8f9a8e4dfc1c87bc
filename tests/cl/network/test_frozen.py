"""Networks whose first layers came frozen: kept as they are, shared, paid for once."""

import copy

import pytest
import torch
from torch import nn

from cgap_cl import CGaPConfig, GrowthPolicy, PlasticNetwork, UnsupportedNetworkError
from cgap_cl.decide import price
from cgap_cl.train.growth import GrowthLoop

X = torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(0))
STEM = 5  # modules of the network below that come frozen


@pytest.fixture
def reference(randomise):
    """A stem with a norm that has no parameters, and what learns."""
    reference = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1), nn.InstanceNorm2d(4),
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip
    randomise(reference, torch.Generator().manual_seed(0))
    reference[:STEM].requires_grad_(False)
    return reference.eval()


@pytest.fixture
def network(reference):
    torch.manual_seed(0)
    return PlasticNetwork(reference, X, seed_ratio=0.5)


def test_training_leaves_them_as_they_came(reference, network, strategy, stream):
    """No value, no statistic, in any task; what learns reads what they give."""
    given = copy.deepcopy(reference[:STEM].state_dict())
    host = strategy(network)
    for experience in stream.train_stream:
        host.train(experience)
    for label in network.labels:
        stem = network.subnetwork(label)[:STEM]
        assert type(stem[0]) is nn.Conv2d
        for name, value in stem.state_dict().items():
            assert torch.equal(value, given[name])
        assert torch.equal(stem(X), reference[:STEM](X))
    assert network.layout.groups == ("5", "10")  # nothing of the stem grows
    network.sprout(9, 3)
    network.train()(X, 9).sum().backward()
    assert all(p.grad is None for p in network.frozen.parameters())
    assert not network.frozen[1].training


def test_they_are_shared_and_paid_for_once(network, strategy, stream):
    host = strategy(network)
    counts = []
    for experience in stream.train_stream:
        host.train(experience)
        counts.append(sum(p.numel() for p in network.parameters()))
    n_frozen = sum(p.numel() for p in network.frozen.parameters())
    of_blocks = sum(p.numel() for b in network.all_blocks() for p in b.parameters())
    assert counts[-1] == network.stored_parameters() == n_frozen + of_blocks

    stem = 36 * (2 * 4 * 9 + 4 * 4 * 9)
    whole = stem + 36 * 4 * 6 * 9 + 6 * 8 + 8 * 3
    assert network.reference.macs == whole
    half = stem + 36 * 4 * 3 * 9 + 3 * 4 + 4 * 3
    fresh = copy.deepcopy(network)
    fresh.sprout(9, 3)
    assert price.macs(fresh)({"5": 3, "10": 4}) == half / whole


def test_states_hold_them_and_copies_move_apart(reference, network):
    network.sprout(0, 3)
    network.merge()
    logits = network.eval()(X, 0)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(1)
    other = PlasticNetwork(reference, X, seed_ratio=0.5)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.eval()(X, 0), logits)
    double = copy.deepcopy(network).double()
    torch.testing.assert_close(double(X.double(), 0).float(), logits)
    torch.testing.assert_close(double.merged()(X.double()).float(), logits)
    double.sprout(1, 3)
    assert double(X.double(), 1).dtype == torch.float64
    assert torch.equal(network(X, 0), logits)


def test_beside_pretrained_values_of_what_learns(reference):
    network = PlasticNetwork(reference, X, pretrained=True)
    config = CGaPConfig(target_price=1.0, growth=GrowthPolicy(linear_capacity=1.0))
    GrowthLoop(network, config).sprout(0, classes=3)
    features = network.eval().subnetwork(0)[:-1](X)
    torch.testing.assert_close(features, reference[:-1](X))


def test_a_network_of_timm_with_its_first_stages_frozen():
    timm = pytest.importorskip("timm", reason="extra `dev` is not installed")
    reference = timm.create_model("resnet10t", pretrained=False, num_classes=3).eval()
    for part in (reference.conv1, reference.bn1, reference.layer1):
        part.requires_grad_(False)
    x = torch.randn(2, 3, 64, 64)
    network = PlasticNetwork(reference, x)
    network.sprout(0, 3)
    logits = network.eval()(x, 0)
    network.merge()
    torch.testing.assert_close(network(x, 0), logits)
    assert {group.split(".")[0] for group in network.layout.groups} == {
        "layer2",
        "layer3",
        "layer4",
    }


@pytest.mark.parametrize("frozen", [("3",), ("0", "5.bias"), ("10",)])
def test_frozen_behind_or_among_what_learns_is_refused(reference, frozen):
    reference.requires_grad_(True)
    for name in frozen:
        part = reference.get_submodule(name.removesuffix(".bias"))
        (part.bias if name.endswith("bias") else part).requires_grad_(False)
    name = frozen[-1].removesuffix(".bias")
    with pytest.raises(
        UnsupportedNetworkError, match=f"'{name}' .*frozen .*behind layers"
    ) as e:
        PlasticNetwork(reference, X)
    assert e.value.layer == name


def test_a_network_that_is_frozen_as_a_whole_is_refused(reference):
    with pytest.raises(UnsupportedNetworkError, match=r"'12' .*all layers are frozen"):
        PlasticNetwork(reference.requires_grad_(False), X)
