"""Bad settings are named when they are made."""

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
)
from cgap_cl.change.newborn import Split


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CGaPConfig(target_price=0), "target_price must be positive"),
        (lambda: CGaPConfig(peak_ratio=0.5), "peak_ratio must be at least 1"),
        (lambda: CGaPConfig(target_price=2.0), "target_price must lie in"),
        (lambda: CGaPConfig(seed_ratio=2), "seed_ratio must lie in"),
        (lambda: CGaPConfig(seed_ratio=0), "seed_ratio must be positive"),
        (lambda: CGaPConfig(recall=2), "recall must lie in"),
        (lambda: CGaPConfig(share_groups=-1), "share_groups cannot be negative"),
        (
            lambda: CGaPConfig(inherit=Inherit.NONE, perturb=0.1),
            "shrink and perturb do nothing",
        ),
        (lambda: GrowthPolicy(beta=2), "beta must lie in"),
        (lambda: GrowthPolicy(capacity=0), "capacity must be positive"),
        (lambda: GrowthPolicy(capacities={"0": 0}), r"capacities\['0'\] must be positive"),
        (lambda: PruningPolicy(floor=-1), "floor must lie in"),
        (lambda: Phases(grow_until=0.9), "out of order"),
        (lambda: Phases(growth_events=-1), "cannot be negative"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CGaPConfig(target_price=math.nan), "target_price must be positive"),
        (lambda: CGaPConfig(peak_ratio=math.nan), "peak_ratio must be at least 1"),
        (lambda: GrowthPolicy(capacity=math.nan), "capacity must be positive"),
        (lambda: Phases(growth_events=2.5), "growth_events must be a whole number"),
        (
            lambda: PlasticNetwork(nn.Linear(3, 2), X, seed_ratio=-1),
            "seed_ratio",
        ),
    ],
)
def test_values_that_are_no_numbers_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "random"}, "score must be .*saliency.magnitude, not 'random'"),
        ({"price": 3}, "price must be .*price.macs, not 3"),
        ({"newborn": Split}, r"newborn must be .*Split\(\), not <class"),
        ({"growth": 0.3}, "growth must be a GrowthPolicy, not 0.3"),
        ({"phases": (0.1, 0.2)}, "phases must be Phases"),
        ({"inherit": "newest"}, "inherit must be one of Inherit.NEWEST, .*not 'newest'"),
        ({"revisit": True}, "revisit must be one of Revisit.NEW_BLOCK, Revisit.REFUSE"),
        ({"share_groups": 1.5}, "share_groups must be a whole number, not 1.5"),
    ],
)
def test_values_of_another_kind_are_named(settings, message):
    with pytest.raises(TypeError, match=message):
        CGaPConfig(**settings)
