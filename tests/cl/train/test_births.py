"""How wide columns begin and may become."""

import pytest

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    Inherit,
    Phases,
)
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


def test_the_first_experience_may_begin_at_a_width_of_its_own(network):
    config = CGaPConfig(seed_ratio=0.5, first_seed_ratio=1.0, inherit=Inherit.NONE, growth=WIDE)
    loop = GrowthLoop(network, config)
    assert loop.sprout(0, 3).widths == network.layout.widths
    network.merge()
    assert loop.sprout(1, 3).widths == network.layout.scaled(0.5)


pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche", "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning", "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)  # fmt: skip


def test_a_group_may_have_a_capacity_of_its_own(network, stream, strategy):
    """The second of two convolutions grows as far as it may, the first further."""
    growth = GrowthPolicy(beta=1.0, capacities={"4": 0.6}, linear_capacity=1.0)
    config = CGaPConfig(
        target_price=1.0, peak_ratio=2.0, growth=growth, phases=Phases(0.5, 0.6, 0.8)
    )
    host = strategy(network, config=config)
    host.train(stream.train_stream[0])
    peak = [entry["widths"] for entry in host.plugins[0].history if entry["kind"] == "grow"][-1]
    assert network.layout.widths == {"0": 4, "4": 5, "10": 6}
    assert peak == {"0": 4, "4": 3, "10": 6}
    wrong = CGaPConfig(growth=GrowthPolicy(capacities={"5": 0.6}))
    with pytest.raises(ValueError, match=r"unknown group '5'\. Known: 0, 4, 10"):
        strategy(network, config=wrong).train(stream.train_stream[1])
