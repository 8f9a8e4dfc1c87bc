"""Statistics of batch norm estimated anew: of all training images, with nothing dropped."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cgap_bench.learn.batches import TensorLoader
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.loop.precise_bn import _with_old, estimating
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, examples
from cgap_bench.record.identity import run_id
from cgap_bench.run import experiences


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = nn.Dropout(0.5), nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.BatchNorm1d(4)
    return nn.Sequential(*layers).train()


def test_norms_average_over_all_batches_with_nothing_dropped(network):
    x = torch.randn(12, 3)
    with torch.no_grad(), estimating(network) as norms:
        for batch in x.split(4):
            network(batch)
    assert norms == [network[2], network[4]]
    values = network[1](x).detach().view(3, 4, 4)  # batches, images, units
    torch.testing.assert_close(network[2].running_mean, values.mean((0, 1)))
    torch.testing.assert_close(network[2].running_var, values.var(1).mean(0))
    assert all(module.training for module in network.modules())
    assert [norm.momentum for norm in norms] == [0.1, 0.1]


def test_what_is_frozen_or_tracks_nothing_is_left_alone(network):
    network[2].eval()
    network[4] = nn.BatchNorm1d(4, track_running_stats=False)
    before = network[2].running_mean.clone()
    with estimating(network) as norms:
        network(torch.randn(4, 3))
    assert norms == []
    assert torch.equal(network[2].running_mean, before)
    assert not network[2].training


def test_modes_come_back_where_a_pass_fails(network):
    network[0].eval()  # stays so
    with pytest.raises(RuntimeError), estimating(network):
        network(torch.randn(4, 5))
    assert not network[0].training
    assert network[2].momentum == 0.1


def _finished(config, reference=None):
    run = experiences.Run(config, data_root(), reference)
    while run.next_experience < run.n_experiences:
        run.step()
    return run


def _norms(run, task):
    """Of a task's network: what each holds, and what all training images say in evaluation."""
    dataset = run.context.stream.benchmark.train_stream[task].dataset
    ((images, *_),) = TensorLoader(dataset, run.context.source, 500, train=False)
    network, true = run.learner.network_for(task).eval(), []

    def note(_norm, args):
        dims = [dim for dim in range(args[0].dim()) if dim != 1]
        true.append((args[0].mean(dims), args[0].var(dims)))

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return [(norm.running_mean, norm.running_var) for norm in norms], true


def _close(values, others):
    pairs = zip(values, others, strict=True)
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)


def test_each_task_is_served_by_the_statistics_of_its_training_images(tiny, reference):
    """And weights are what they were without: no random numbers are drawn."""
    precise, plain = (_finished(tiny("warm", precise_bn=on), reference) for on in (True, False))
    for task in range(2):
        held, true = _norms(precise, task)
        assert len(held) == 2
        assert all(map(_close, held, true))
        assert not any(map(_close, *_norms(plain, task)))
        pairs = zip(
            precise.learner.network_for(task).parameters(),
            plain.learner.network_for(task).parameters(),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs)
    assert precise.results.macs_beside > [0, 0] == plain.results.macs_beside


def test_a_column_has_its_own_and_what_it_shares_stays_as_it_is(tiny):
    run = _finished(tiny("cgap", precise_bn=True, epochs=4))
    first, true = _norms(run, 0)
    assert len(first) == 2
    assert all(map(_close, first, true))
    later, true = _norms(run, 1)
    shared = torch.isin(later[0][0], first[0][0])  # units of the first layer
    assert shared.any()
    assert not _close(later[0], true[0])
    assert _close([values[~shared] for values in later[0]], [v[~shared] for v in true[0]])
    assert _close(later[1], true[1])
    (before, _), after = run.results.accuracy
    assert after[0] == before  # bit for bit what it was


def test_old_images_of_a_memory_join_each_pass(network):
    memory = BalancedMemory(6, seed=1)
    old = torch.randn(5, 3)
    memory.content = examples([old, torch.zeros(5), torch.zeros(5)])
    x, labels = _with_old(
        [SimpleNamespace(), SimpleNamespace(memory=memory)], torch.zeros(4, 3), torch.ones(4)
    )
    assert len(x) == len(labels) == 8
    assert not x[:4].any()
    assert labels.tolist() == [1] * 4 + [0] * 4
    assert all((old == row).all(1).any() for row in x[4:])  # four of the five


def test_replay_serves_old_tasks_by_statistics_of_both(tiny):
    """All five classes of a task take as many places: those of the experience, half of them."""
    run = _finished(tiny("replay", precise_bn=True, own={"memory": 100}))
    held, new_only = _norms(run, 1)
    assert not any(map(_close, held, new_only))


def test_runs_without_it_are_what_they_were(tiny):
    plain = tiny("cgap")
    assert run_id(plain) == run_id(tiny("cgap", precise_bn=False))
    assert run_id(plain) != run_id(tiny("cgap", precise_bn=True))
