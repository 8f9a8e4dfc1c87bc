"""Scores, policies and prices at their edges, and networks that are not what they look."""

import math

import pytest
import torch
from torch import nn

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    Inherit,
    Phases,
    PlasticNetwork,
    PruningPolicy,
    UnreachableTargetError,
    UnsupportedNetworkError,
)
from cgap_cl.decide import price, saliency
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)
X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_batch_norm_behind_flatten_has_one_score_a_unit(strategy, stream):
    network = PlasticNetwork(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(3),
            nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3),
        ),
        X,
    )  # fmt: skip
    config = CGaPConfig(target_price=0.5, growth=WIDE, score=saliency.norm_taylor)
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    column = network.sprout(1, 3)
    network.train()(X, 1).square().sum().backward()
    for group, scores in saliency.score_units(column, saliency.norm_taylor).items():
        assert scores.shape == (column.widths[group],)


def test_pruning_gives_up_nothing_for_nothing():
    """The floor keeps the row of lanes, so all of it stays."""
    plan = PruningPolicy(floor=0.25).plan(
        {"a": torch.rand(9)}, {"a": 9}, lambda widths: float(-(-widths["a"] // 16)), 0.5,
        torch.Generator(),
    )  # fmt: skip
    assert not plan


def test_a_target_below_the_smallest_column(network):
    """An error before anything is learnt; later columns keep their floors."""
    loop = GrowthLoop(network, CGaPConfig(target_price=0.01, growth=WIDE))
    loop.sprout(0, 3)
    with pytest.raises(UnreachableTargetError, match=r"target_price=0\.01 cannot be reached"):
        loop.start(8)
    network.merge()
    loop.sprout(1, 3)
    loop.start(8)


def test_a_price_of_ones_own(network, strategy, stream):
    def units(widths):
        return sum(widths.values()) / sum(network.layout.widths.values())

    config = CGaPConfig(target_price=0.7, growth=WIDE, price=price.of_widths(units))
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] == pytest.approx(
        sum(network.block(0).widths.values()) / 15
    )
    wrong = CGaPConfig(price=lambda network: 0.5)
    with pytest.raises(TypeError, match=r"price\.of_widths"):
        strategy(network, config=wrong).train(stream.train_stream[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CGaPConfig(target_price=math.nan), "target_price must be positive"),
        (lambda: CGaPConfig(peak_ratio=math.nan), "peak_ratio must be at least 1"),
        (lambda: GrowthPolicy(capacity=math.nan), "capacity must be positive"),
        (lambda: Phases(growth_events=2.5), "growth_events must be a whole number"),
        (lambda: CGaPConfig(first_seed_ratio=2), "first_seed_ratio must lie in"),
        (
            lambda: PlasticNetwork(nn.Linear(3, 2), X, seed_ratio=-1),
            "seed_ratio",
        ),
    ],
)
def test_values_that_are_no_numbers_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_first_experience_may_begin_at_a_width_of_its_own(network):
    config = CGaPConfig(seed_ratio=0.5, first_seed_ratio=1.0, inherit=Inherit.NONE, growth=WIDE)
    loop = GrowthLoop(network, config)
    assert loop.sprout(0, 3).widths == network.layout.widths
    network.merge()
    assert loop.sprout(1, 3).widths == network.layout.scaled(0.5)


class Standardised(nn.Conv2d):
    """Weight standardisation: another function than a plain convolution's."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Written(nn.Module):
    """A network whose forward pass is a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def conv(n_in, n_out, kind=nn.Conv2d):
    return kind(n_in, n_out, 3, padding=1)


REFUSED = {
    "a subclass that computes something else": (
        lambda: nn.Sequential(conv(2, 4, Standardised), nn.Flatten(), nn.Linear(144, 3)),
        "'0' .*Standardised is not computed as torch's Conv2d",
    ),
    "spectral norm": (
        lambda: nn.Sequential(
            nn.utils.spectral_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*weights that are computed",
    ),
    "a parametrisation": (
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*is not computed as torch's Conv2d",
    ),
    "one gate for all channels": (
        lambda: Written(
            _gated,
            a=conv(2, 4), g=nn.Conv2d(4, 1, 1), h=nn.Linear(4, 3),
        ),
        "'g' .*one channel broadcast over many",
    ),
    "a size asked of a layer": (
        lambda: Written(
            lambda net, x: net.h(net.a(x).mean((2, 3)).view(-1, net.h.in_features)),
            a=conv(2, 4), h=nn.Linear(4, 3),
        ),
        "'a' .*asked of a layer",
    ),
    "an input by keyword": (
        lambda: Written(
            lambda net, x: net.h(net.a(input=x).mean((2, 3))), a=conv(2, 4), h=nn.Linear(4, 3)
        ),
        "'a' .*keyword argument",
    ),
}  # fmt: skip


def _gated(net, x):
    x = net.a(x)
    return net.h((x * net.g(x).sigmoid()).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_would_become_others_are_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedNetworkError, match=message):
        PlasticNetwork(make(), X)


def test_a_head_that_is_none_is_refused(architectures):
    with pytest.raises(UnsupportedNetworkError, match=r"'1' .*a linear layer or a convolution"):
        PlasticNetwork(architectures["chain"](), X, head="1")


def test_laterals_are_not_counted_twice(network):
    """The comment in `sprout`: what is shared is read whole, and is not pruned as a lateral."""
    loop = GrowthLoop(network, CGaPConfig(growth=WIDE, target_price=0.5))
    loop.sprout(0, 3)
    network.merge()
    loop.sprout(1, 3)
    assert loop.progress.shared
    assert not loop.progress.initial_laterals
