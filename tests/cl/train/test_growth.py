"""The growth loop at its edges: restored structures, early stops, targets out of reach."""

import copy
import warnings

import pytest
import torch

from cgap_cl import (
    CGaPConfig,
    GrowthPolicy,
    Phases,
    UnreachableTargetError,
)
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


def test_a_target_below_the_smallest_column(network):
    """An error before anything is learnt; later columns keep their floors."""
    loop = GrowthLoop(network, CGaPConfig(target_price=0.01, growth=WIDE))
    loop.sprout(0, 3)
    with pytest.raises(UnreachableTargetError, match=r"target_price=0\.01 cannot be reached"):
        loop.start(8)
    network.merge()
    loop.sprout(1, 3)
    loop.start(8)


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_an_older_structure_loaded_inside_an_experience(network, strategy, stream, at):
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

    config = CGaPConfig(growth=WIDE, phases=Phases(0.5, 0.6, 0.8))
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
        target_price=0.3,
        peak_ratio=2.0,
        seed_ratio=0.5,
        growth=WIDE,
        phases=Phases(0.1, 0.25, 0.5, 2, 3),
    )
    host = strategy(network, at("epoch", swap), config=config, train_epochs=12)
    with pytest.warns(UserWarning, match="outstanding pruning was done at once"):
        host.train(stream.train_stream[0])
    assert host.plugins[0].history[-1]["price"] <= 0.3


def test_a_structural_change_is_the_last_thing_that_happens(network, strategy, part, stream_of):
    """One batch an experience: growth and all pruning after it."""
    config = CGaPConfig(growth=WIDE, phases=Phases(1.0, 1.0, 1.0))
    host = strategy(network, config=config, train_epochs=1)
    with pytest.warns(UserWarning, match="outstanding"):
        host.train(stream_of([part((0, 1, 2), 12)], [0]).train_stream[0])
    assert network(X, 0).shape == (7, 3)


def test_a_schedule_too_short_for_its_events_is_told(network):
    """Twenty: four growth events after two iterations; two: one event, and no pruning."""
    loop = GrowthLoop(network, CGaPConfig(target_price=0.5))
    loop.sprout(0, 3)
    with pytest.warns(
        UserWarning, match="20 iterations .*: some fall together.* 40 are needed"
    ):
        loop.start(20)
    with pytest.warns(UserWarning, match="2 iterations are too few .*: it grows once.* 40 are"):
        loop.start(2)
    assert (loop.progress.growth, loop.progress.pruning) == ((1,), ())
    network.discard()
    loop.sprout(0, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.start(40)
    assert loop.progress.n_growth == loop.progress.n_pruning == 4


def test_growth_with_weights_in_the_optimizer_is_refused_before_anything_changes(network):
    loop = GrowthLoop(network, CGaPConfig(target_price=0.9, growth=WIDE))
    loop.sprout(0, 3)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    for parameter in network.live_parameters():
        optimizer.state[parameter]["z"] = parameter.detach().clone()
    loop.start(10)  # growth is due after the first iteration
    before = dict(network.column.widths)
    torch.nn.functional.cross_entropy(network(X, 0), torch.arange(7) % 3).backward()
    loop.observe()
    with pytest.raises(TypeError, match="SGD keeps 'z'"):
        loop.advance(optimizer)
    assert network.column.widths == before
