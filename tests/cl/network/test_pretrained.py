"""Pretrained networks: the first column starts from the units that weigh most."""

import pytest
import torch
from torch import nn

from cgap_cl import Birth, CGaPConfig, GrowthPolicy, PlasticNetwork
from cgap_cl.decide.saliency import magnitude, score_units
from cgap_cl.train.growth import GrowthLoop

X = torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(0))
WHOLE = CGaPConfig(target_price=1.0, growth=GrowthPolicy(linear_capacity=1.0))


@pytest.fixture
def reference(architectures, randomise):
    reference = architectures["chain"]()
    randomise(reference, torch.Generator().manual_seed(0))
    return reference.eval()


def test_where_everything_is_affordable_the_features_are_those_given(reference):
    network = PlasticNetwork(reference, X, pretrained=True)
    column = GrowthLoop(network, WHOLE).sprout(0, classes=3)
    network.eval()
    seen = []
    for head in (column.head, reference[13]):
        head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(X, 0)
    reference(X)
    assert torch.equal(*seen)
    assert not torch.equal(column.head.own.weight, reference[13].weight)  # the head is new


def test_at_a_lower_price_the_heaviest_units_are_kept_with_their_values(reference):
    network = PlasticNetwork(reference, X, pretrained=True)
    config = CGaPConfig(target_price=0.3, growth=GrowthPolicy(linear_capacity=0.5))
    loop = GrowthLoop(network, config)
    column = loop.sprout(0, classes=3)
    scores = score_units(network.reference.given, magnitude)
    kept = {
        group: sorted(scores[group].argsort(descending=True)[:width].tolist())
        for group, width in column.widths.items()
    }
    assert all(width < len(scores[group]) for group, width in column.widths.items())
    assert torch.equal(column.layer("0").own.weight, reference[0].weight[kept["0"]])
    assert torch.equal(column.body[1].running_var, reference[1].running_var[kept["0"]])
    deeper = reference[4].weight[kept["4"]][:, kept["0"]]
    assert torch.equal(column.layer("4").own.weight, deeper)
    assert not column.sources()  # what was left out is gone, not read
    assert 0.3 < loop.price(column.widths) <= 0.3 * config.peak_ratio


def test_without_it_the_values_do_not_count(reference):
    torch.manual_seed(0)
    one = PlasticNetwork(reference, X).sprout(0, 3)
    torch.manual_seed(0)
    with torch.no_grad():
        reference[0].weight.mul_(2)
    other = PlasticNetwork(reference, X).sprout(0, 3)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters()))


@pytest.mark.parametrize(
    ("pretrained", "birth", "message"),
    [
        (True, None, "let GrowthLoop .* choose them"),
        (False, Birth(given={"0": [0]}), "only the first column of PlasticNetwork.*pretrained"),
        (True, Birth(given={"0": [0], "4": [0]}), "'10' has None"),
        (True, Birth(given={"0": [4], "4": [0], "10": [0]}), "unknown unit of '0' '4'"),
    ],
)
def test_births_that_do_not_fit_are_told(reference, pretrained, birth, message):
    network = PlasticNetwork(reference, X, pretrained=pretrained)
    with pytest.raises(ValueError, match=message):
        network.sprout(0, 3, birth)


def test_later_columns_inherit_as_ever(reference):
    network = PlasticNetwork(reference, X, pretrained=True)
    loop = GrowthLoop(network, WHOLE)
    loop.sprout(0, classes=3)
    network.merge()
    column = loop.sprout(1, classes=2)
    assert column.sources() == {0}
    network.discard()
    with pytest.raises(ValueError, match="only the first column"):
        network.sprout(1, 2, Birth(given={g: [0] for g in network.layout.widths}))


def test_it_is_stored_as_any_network_is(reference):
    network = PlasticNetwork(reference, X, pretrained=True)
    GrowthLoop(network, WHOLE).sprout(0, classes=3)
    other = PlasticNetwork(nn.Sequential(*reference), X)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.eval()(X, 0), network.eval()(X, 0))
