"""States of another structure, stops and restarts: no crash, and nothing lost silently."""

import copy
import math

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from cgap_cl import CGaPConfig, GrowthPolicy, Phases, PlasticNetwork
from cgap_cl.blocks.inheriting import Birth
from cgap_cl.decide import saliency
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)
X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("score", [saliency.weight_gradient, saliency.Activation()])
def test_an_older_structure_loaded_inside_an_experience(network, strategy, stream, score, at):
    """Scores begin anew, and the optimizer learns what is there now."""
    kept = {}

    def swap(host):
        number = host.clock.train_exp_iterations
        if number == 1:
            kept["state"] = copy.deepcopy(network.state_dict())
        if number == 7:
            network.load_state_dict(kept["state"])
        if number == 9:
            weights, others = (set(group["params"]) for group in host.optimizer.param_groups)
            assert weights | others == set(network.live_parameters())
            assert {p.dim() > 1 for p in weights} == {True}
            assert {p.dim() > 1 for p in others} == {False}

    config = CGaPConfig(growth=WIDE, phases=Phases(0.5, 0.6, 0.8), score=score)
    flat = [p for p in network.parameters() if p.dim() < 2]
    weights = [p for p in network.parameters() if p.dim() > 1]
    optimizer = torch.optim.SGD([{"params": weights}, {"params": flat}], lr=0.1)
    host = strategy(
        network, at("iteration", swap), config=config, train_epochs=6, optimizer=optimizer
    )
    host.train(stream.train_stream[0])
    kinds = [entry["kind"] for entry in host.plugins[0].history]
    assert "grow" in kinds[kinds.index("grow") + 1 :]
    assert kinds[-1] == "merge"


def test_an_unpruned_state_restored_after_pruning_is_pruned_again(
    network, strategy, stream, at
):
    kept = {}

    def swap(host):
        if host.clock.train_exp_epochs == 2:
            kept["state"] = copy.deepcopy(network.state_dict())
        if host.clock.train_exp_epochs == 8:
            network.load_state_dict(kept["state"])
            host.stop_training()

    config = CGaPConfig(
        target_price=0.3, peak_ratio=2.0, seed_ratio=0.5, growth=WIDE,
        phases=Phases(0.1, 0.25, 0.5, 2, 3),
    )  # fmt: skip
    host = strategy(network, at("epoch", swap), config=config, train_epochs=12)
    with pytest.warns(UserWarning, match="outstanding pruning was done at once"):
        host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] <= 0.3


def test_stopping_while_growing_prunes_laterals_too(network, strategy, stream, at):
    config = CGaPConfig(
        target_price=0.9, trunk_blocks=1, share_groups=0, lateral_keep=0.25, growth=WIDE
    )

    def stop(host):
        if host.clock.train_exp_counter == 1 and host.clock.train_exp_iterations == 2:
            host.stop_training()

    host = strategy(network, at("iteration", stop), config=config)
    host.train(stream.train_stream[0])
    with pytest.warns(UserWarning, match="outstanding"):
        host.train(stream.train_stream[1])
    for layer in network.block(1).plastic():
        for _, lateral in layer.sources():
            assert len(lateral.index) == math.ceil(0.25 * lateral.n_source)


def test_a_structural_change_is_the_last_thing_that_happens(network, strategy, part, stream_of):
    """One batch an experience, scored by activity of other widths than there are now."""
    config = CGaPConfig(score=saliency.Activation(), growth=WIDE)
    host = strategy(network, config=config, train_epochs=1)
    with pytest.warns(UserWarning, match="outstanding"):
        host.train(stream_of([part((0, 1, 2), 12)], [0]).train_stream[0])
    assert network(X, 0).shape == (7, 3)


def test_a_state_of_a_plugin_that_has_not_begun_its_schedule(network, strategy, stream):
    saved = {}

    class Saving(SupervisedPlugin):
        def before_training_exp(self, host, **_):
            saved.update(net=copy.deepcopy(network.state_dict()),
                         plugin=copy.deepcopy(host.plugins[0].state_dict()))  # fmt: skip

    config = CGaPConfig(target_price=0.3, growth=WIDE)
    host = strategy(network, Saving(), config=config)
    host.train(stream.train_stream[0])
    fresh = PlasticNetwork(network.reference.skeleton.to_empty(device="cpu"), X)
    fresh.load_state_dict(saved["net"])
    again = strategy(fresh, config=config)
    again.plugins[0].load_state_dict(saved["plugin"], fresh)
    again.train(stream.train_stream[0])
    assert [entry["kind"] for entry in again.plugins[0].history] == [
        entry["kind"] for entry in host.plugins[0].history
    ]


def test_a_config_can_be_used_twice(network):
    """A score that draws has a generator of its own in every loop."""
    config = CGaPConfig(score=saliency.RandomScore(3))
    rows = [saliency.Rows(torch.ones(5, 2), None)]
    first, second = (GrowthLoop(network, config).scores.score(rows) for _ in range(2))
    assert torch.equal(first, second)


def test_a_teacher_can_be_copied_with_a_batch_behind_it(network):
    loop = GrowthLoop(network, CGaPConfig(distillation=0.5, growth=WIDE))
    loop.sprout(0, 3)
    loop.start(4)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    network.train()
    for _ in range(4):
        loss = loop.taught(network(X, 0).square().mean(), len(X))
        loss.backward()
        loop.observe()
        loop.advance(optimizer)
    network(X, 0)
    assert network.teacher is not None
    assert network.teacher.loss is not None
    assert copy.deepcopy(network).teacher.loss is None
    network.discard()
    loop.sprout(0, 3)
    assert network.teacher is None  # what was discarded teaches nobody


def test_a_revisited_head_starts_as_the_old_one_whatever_the_ancestor_reads(network):
    """Labels 0, 1, 2, 0; the ancestor's head reads two older blocks."""
    network.eval()
    for label, trunk in ((0, ()), (1, (0,)), (2, (0, 1))):
        column = network.sprout(label, 3, Birth(network.layout.scaled(0.5), trunk=trunk))
        for _, lateral in column.head.sources():
            nn.init.normal_(lateral.op.weight)
        network.merge()
    old = network(X, 0)
    network.sprout(0, 4, Birth(ancestor=2, trunk=(0, 1)))
    torch.testing.assert_close(network(X, 0)[:, :3], old)
