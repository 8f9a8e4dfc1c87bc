"""How wide columns begin and may become."""

import pytest
import torch

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    Phases,
    Revisit,
)
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


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


def test_a_label_that_returns_goes_on_in_a_copy_of_its_own_block(network):
    """Whatever is newest or inherited else; the versions before stay as they were."""
    loop = GrowthLoop(network.eval(), CGaPConfig(share_groups=1))
    x = torch.randn(4, 2, 6, 6)
    for label in (0, 1):
        loop.sprout(label, 3)
        network.merge()
    first, one = network(x, 0), network(x, 1)
    column = loop.sprout(0, 4)
    assert not column.sources()
    assert column.widths == network.block(0).widths
    torch.testing.assert_close(network(x, 0)[:, :3], first)
    with torch.no_grad():
        for parameter in network.live_parameters():
            parameter.add_(0.1)
    network.merge()
    assert network.versions(0) == [0, 2]
    assert not torch.equal(network.subnetwork(0)(x)[:, :3], first)
    assert torch.equal(network.subnetwork(0, version=0)(x), first)
    assert torch.equal(network.subnetwork(1)(x), one)
    with pytest.raises(ValueError, match="unknown version of task 0 '2'"):
        network.subnetwork(0, version=2)


def test_where_a_label_returns_linear_layers_have_room(network):
    """One head tells more and more apart; a task of its own needs less."""
    loop = GrowthLoop(network, CGaPConfig(growth=GrowthPolicy(returning_capacity=0.5)))
    loop.sprout(0, 2)
    assert loop.limits == {"0": 4, "4": 5, "10": 1}
    network.merge()
    loop.sprout(0, 3)
    assert loop.limits == {"0": 4, "4": 5, "10": 3}
    network.merge()
    loop.sprout(1, 2)
    assert loop.limits["10"] == 1


def test_a_label_that_returns_is_refused_on_request(network):
    loop = GrowthLoop(network, CGaPConfig(revisit=Revisit.REFUSE))
    loop.sprout(3, 2)
    network.merge()
    loop.sprout(4, 2)
    network.merge()
    with pytest.raises(ValueError, match=r"task 3 was .*a task label of its own, or set"):
        loop.sprout(3, 2)


def test_more_groups_to_share_than_there_are(network):
    with pytest.raises(ValueError, match="share_groups=99, but the network has 3 groups: 0, 4"):
        GrowthLoop(network, CGaPConfig(share_groups=99))


def test_the_version_before_teaches_what_it_knows(network, tmp_path):
    """Of a label that returns; the loss is that of its own classes, kept in a checkpoint."""
    loop = GrowthLoop(network, CGaPConfig(recall=0.25))
    x = torch.randn(8, 2, 6, 6)
    loop.sprout(0, 2)
    assert network.recall is None
    network.merge()
    loop.sprout(0, 4)
    network.eval()
    assert network.recall.index == 0
    loss = torch.tensor(2.0)
    assert loop.taught(loss, 8) is loss  # no batch was compared
    network.train()
    network(x, 0)
    said = network.recall.loss
    torch.testing.assert_close(loop.taught(loss, 8), 0.75 * loss + 0.25 * said / 8)

    torch.save(loop.state_dict(), tmp_path / "loop.pt")
    again = GrowthLoop(network, CGaPConfig(recall=0.25))
    again.load_state_dict(torch.load(tmp_path / "loop.pt", weights_only=True))
    network(x, 0)
    assert network.recall.weight == 0.25
    assert network.recall.index == 0
    network.merge()
    GrowthLoop(network, CGaPConfig(recall=0.0)).sprout(0, 4)
    assert network.recall is None
