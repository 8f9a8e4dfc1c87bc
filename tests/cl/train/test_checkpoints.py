"""States of another structure, stops and restarts: no crash, and nothing lost silently."""

import copy
import pickle

import dill
import pytest
import torch
from avalanche.checkpointing import maybe_load_checkpoint, save_checkpoint
from avalanche.training.plugins import SupervisedPlugin

from cgap_cl import (
    CGaPConfig,
    CGaPPlugin,
    GrowthPolicy,
    Phases,
    PlasticNetwork,
    dill_finds_optimizers,
)
from cgap_cl.decide.saliency import RandomScore
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_a_state_of_a_plugin_that_has_not_begun_its_schedule(network, strategy, stream):
    saved = {}

    class Saving(SupervisedPlugin):
        def before_training_exp(self, host, **_):
            saved.update(
                net=copy.deepcopy(network.state_dict()),
                plugin=copy.deepcopy(host.plugins[0].state_dict()),
            )

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


pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


def train_loop(loop, optimizer, batches, stop, start=0):
    for x, y in batches[start:stop]:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(loop.network(x, 1), y).backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)


def begin(architectures, config):
    torch.manual_seed(0)
    network = PlasticNetwork(architectures["residual"](), torch.zeros(2, 2, 6, 6))
    loop = GrowthLoop(network, config)
    loop.sprout(0, 3)
    network.merge()
    loop.sprout(1, 3)
    loop.start(16)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.05, momentum=0.9)
    return loop, optimizer


@pytest.mark.parametrize("score", [None, RandomScore])
def test_resume_at_any_batch_is_bitwise_equal(architectures, tmp_path, score, rows):
    def config():
        extra = {} if score is None else {"score": score()}
        return CGaPConfig(target_price=0.3, phases=Phases(), **extra)

    generator = torch.Generator().manual_seed(2)
    batches = [rows(0, 8, generator) for _ in range(16)]
    whole, optimizer = begin(architectures, config())
    train_loop(whole, optimizer, batches, 16)
    whole.finish(optimizer)
    for stop in range(0, 16, 3):
        loop, optimizer = begin(architectures, config())
        train_loop(loop, optimizer, batches, stop)
        state = {
            "network": loop.network.state_dict(),
            "loop": loop.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(state, tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        again, _ = begin(architectures, config())
        again.network.load_state_dict(state["network"])
        again.load_state_dict(state["loop"])
        optimizer = torch.optim.SGD(again.network.live_parameters(), lr=0.05, momentum=0.9)
        optimizer.load_state_dict(state["optimizer"])
        train_loop(again, optimizer, batches, 16, start=stop)
        again.finish(optimizer)
        assert again.history == whole.history
        for key, value in whole.network.state_dict().items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(again.network.state_dict()[key], value), (stop, key)


def test_plugin_state_continues_an_unfinished_experience(network, stream, tmp_path, strategy):
    """Killed in the second experience: the column, not a new one, goes on learning."""

    class KilledError(Exception):
        pass

    class Killer(CGaPPlugin):
        def after_training_iteration(self, strategy, **options):
            super().after_training_iteration(strategy, **options)
            if self.loop.column.index == 1 and self.loop.progress.iteration == 5:
                raise KilledError

    host = strategy(network)
    host.plugins[0] = killer = Killer(host.plugins[0].config)
    host.train(stream.train_stream[0])
    with pytest.raises(KilledError):
        host.train(stream.train_stream[1])
    torch.save({"net": network.state_dict(), "plugin": killer.state_dict()}, tmp_path / "s.pt")
    saved = torch.load(tmp_path / "s.pt", weights_only=True)
    fresh = PlasticNetwork(network.reference.skeleton.to_empty(device="cpu"), X)
    fresh.load_state_dict(saved["net"])
    host = strategy(fresh)
    plugin = host.plugins[0]
    plugin.load_state_dict(saved["plugin"], fresh)
    host.train(stream.train_stream[1])
    assert [e["block"] for e in plugin.history if e["kind"] == "sprout"] == [0, 1]
    assert fresh.n_merged == 2


def same(one, other):
    """Whether two states are equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def test_avalanches_own_checkpoints(network, stream, strategy, tmp_path):
    """Saved after one experience, loaded into a fresh strategy: bitwise as never stopped."""
    host = strategy(network)
    host.train(stream.train_stream[0])
    with dill_finds_optimizers():
        save_checkpoint(host, tmp_path / "state.pt")
    for experience in stream.train_stream[1:]:
        host.train(experience)
    fresh = PlasticNetwork(network.reference.skeleton.to_empty(device="cpu"), X)
    again, done = maybe_load_checkpoint(strategy(fresh), tmp_path / "state.pt")
    assert done == 1
    for experience in stream.train_stream[done:]:
        again.train(experience)
    assert same(again.model.state_dict(), network.state_dict())
    moments = [one.optimizer.state_dict()["state"] for one in (host, again)]
    assert moments[0]
    assert same(*moments)
    assert again.plugins[0].history == host.plugins[0].history


def test_dill_does_not_find_torchs_optimizers_by_itself(network):
    """Why `dill_finds_optimizers` is there; once this fails it can go."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    there = set(vars(torch.optim))
    with dill_finds_optimizers():
        dill.dumps(optimizer)
    assert set(vars(torch.optim)) == there
    with pytest.raises(pickle.PicklingError):
        dill.dumps(optimizer)
