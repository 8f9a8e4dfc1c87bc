"""Statistics of batch norm estimated anew: of all training images, with nothing dropped."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cgap_bench.learn.batches import TensorLoader
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.loop import precise_bn
from cgap_bench.learn.loop.precise_bn import PreciseBN, _with_old, estimating, even
from cgap_bench.learn.methods.masks.cpg import CPGPlugin
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, examples
from cgap_bench.record.configuration import LearningRateSchedule, NetworkSettings
from cgap_bench.record.identity import run_id
from cgap_bench.run import experiences

NORMS = nn.BatchNorm1d, nn.BatchNorm2d


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

    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return [(norm.running_mean, norm.running_var) for norm in norms], true


def _close(values, others, rtol=1e-3):
    pairs = zip(values, others, strict=True)
    return all(torch.allclose(a, b, rtol=rtol, atol=1e-4) for a, b in pairs)


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
    assert all(precise.results.macs_beside)
    assert not any(plain.results.macs_beside)


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


@pytest.mark.parametrize("method", ["packnet", "hat", "cpg", "wsn", "supsup", "piggyback"])
def test_norms_that_each_task_has_of_its_own_are_estimated_for_each(method, tiny):
    """They are put into the backbone for a pass, and hold what training left in them."""
    run = _finished(tiny(method, precise_bn=True, epochs=3))
    for task in (1,) if method == "hat" else (0, 1):  # whose protection of weights is soft
        held, true = _norms(run, task)
        assert len(held) == 2
        assert all(map(_close, held, true))


@pytest.mark.parametrize("method", ["fixed", "ewc"])
def test_own_channels_of_a_shared_network_are_estimated_for_each_task(method, tiny):
    run = _finished(tiny(method, precise_bn=True, own={"own_channels": True}))
    for task in range(2):  # weights have moved since the first: only its own norms stay
        held, true = _norms(run, task)
        assert _close(held[0], true[0]) is (task == 1)
    assert all(map(_close, held, true))


@pytest.mark.parametrize("method", ["gpm", "trgp", "frozen"])
@pytest.mark.parametrize("schedule", list(LearningRateSchedule))
def test_norms_that_are_frozen_while_training_stay(method, schedule, tiny):
    """Bit for bit what the first task has left, whatever goes through the network after it."""
    config = tiny(method, precise_bn=True, lr_schedule=schedule, holdout_share=0.2)
    run = experiences.Run(config, data_root())
    run.step()
    before, true = _norms(run, 0)
    before = [[value.clone() for value in pair] for pair in before]
    assert all(map(_close, before, true))
    run.step()
    for task in range(2):
        for pair, first in zip(_norms(run, task)[0], before, strict=True):
            assert all(map(torch.equal, pair, first))


def test_nothing_is_dropped_in_the_network_of_the_protocols(tiny):
    plain = tiny("fixed", precise_bn=True)
    network = NetworkSettings(name="alexnet-gpm", width=0.1)
    stream = plain.stream.model_copy(update={"size": 32})
    run = _finished(plain.model_copy(update={"network": network, "stream": stream}))
    held, true = _norms(run, 1)
    assert len(held) == 5
    # variances of 95 features are taken with and without Bessel's correction on the way
    for (mean, var), (true_mean, true_var) in zip(held, true, strict=True):
        torch.testing.assert_close(var, true_var, rtol=0.03, atol=0)
        assert ((mean - true_mean).abs() < 0.03 * true_var.sqrt()).all()


def test_passes_are_even_and_weigh_alike(tiny):
    """95 images in passes of 31 or 32: as if all were in one, but for the means of passes."""
    run = _finished(tiny("fixed", precise_bn=True, eval_batch_size=30))
    held, true = _norms(run, 1)
    torch.testing.assert_close(held[0][0], true[0][0], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(held[0][1], true[0][1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_no_pass_is_of_one_image(size):
    for n in range(2, 40):
        each = even(n, size)
        assert n % each != 1
        assert each >= min(size, n)


@pytest.mark.parametrize("n", [0, 1])
def test_an_experience_without_variance_changes_nothing(network, n):
    before = network[2].running_var.clone()
    plugin = PreciseBN()
    strategy = SimpleNamespace(
        plugins=[], model=network, experience=SimpleNamespace(dataset=[0] * n)
    )
    plugin.after_training_exp(strategy)
    assert torch.equal(network[2].running_var, before)


def test_a_cut_is_settled_before_the_passes(tiny, monkeypatch):
    """Taking the last cut back loads a state with the statistics of then."""
    monkeypatch.setattr(CPGPlugin, "_accuracy", lambda _self, _strategy: 0.5)
    plain = tiny("cpg", precise_bn=True, epochs=3)
    whole = CPGPlugin.settle_training

    def worse(self, strategy):
        self._before = 1.0  # and so the last cut has cost too much
        whole(self, strategy)

    monkeypatch.setattr(CPGPlugin, "settle_training", worse)
    run = _finished(plain)
    assert all(map(_close, *_norms(run, 0)))


def test_packnet_cuts_before_the_passes_if_it_was_not_time(tiny):
    run = _finished(tiny("packnet", precise_bn=True, own={"prune_at": 1.0}))
    assert all(map(_close, *_norms(run, 0)))


class OldImages:
    """Of a plugin: those that join so many new ones."""

    def __init__(self, memory):
        self.old_images = lambda n: memory.draw(n) if len(memory) else None


def test_old_images_of_a_memory_join_each_pass():
    memory = BalancedMemory(6, seed=1)
    x, labels = _with_old([OldImages(memory)], torch.zeros(4, 3), torch.ones(4))
    assert len(x) == len(labels) == 4
    old = torch.randn(5, 3)
    memory.content = examples([old, torch.zeros(5), torch.zeros(5)])
    x, labels = _with_old([OldImages(memory)], torch.zeros(4, 3), torch.ones(4))
    assert not x[:4].any()
    assert labels.tolist() == [1] * 4 + [0] * 4
    assert all((old == row).all(1).any() for row in x[4:])  # four of the five


@pytest.mark.parametrize("own", [{"memory": 20}, {"memory": 20, "batch": 4}])
def test_replay_has_as_many_old_images_in_a_pass_as_in_a_batch(own, tiny, monkeypatch):
    sizes = []

    def noted(plugins, x, labels):
        joined = _with_old(plugins, x, labels)
        sizes.append((len(x), len(joined[0]) - len(x)))
        return joined

    monkeypatch.setattr(precise_bn, "_with_old", noted)
    _finished(tiny("replay", precise_bn=True, own=own))
    assert set(sizes[: len(sizes) // 2]) == {(19, 0)}  # 95 images, batches of 16
    assert set(sizes[len(sizes) // 2 :]) == {(19, own.get("batch", 19))}


def test_runs_without_it_are_what_they_were(tiny):
    plain = tiny("cgap")
    assert run_id(plain) == run_id(tiny("cgap", precise_bn=False))
    assert run_id(plain) != run_id(tiny("cgap", precise_bn=True))
