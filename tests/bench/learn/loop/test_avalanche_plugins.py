"""Avalanche's own plugins on our batches do what they do on Avalanche's own loaders.

Experiences are learnt in batches of all their images, so that the order in which they are
shuffled cannot matter; where a plugin draws random numbers itself, both draw the same ones.
"""

import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import (
    EvaluationPlugin,
    EWCPlugin,
    LwFPlugin,
    ReplayPlugin,
    SupervisedPlugin,
)
from avalanche.training.supervised import Naive
from torch import Generator, nn

from cgap_bench.learn.batches import BatchSource, TensorLoader, TensorStrategy
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.streams import build_stream
from cgap_bench.learn.streams.build import benchmark_of
from cgap_bench.record.configuration import (
    Augmentation,
    Precision,
    Scenario,
    StreamSettings,
)

MEMORY = 12
PLUGINS = {
    "replay": lambda: ReplayPlugin(mem_size=MEMORY),
    "EWC": lambda: EWCPlugin(ewc_lambda=50.0),
    "EWC, online": lambda: EWCPlugin(ewc_lambda=50.0, mode="online", decay_factor=0.9),
    "LwF": lambda: LwFPlugin(alpha=2.0),
}


class Seeded(SupervisedPlugin):
    """Puts the global generator to the same place in both, before anybody may draw from it.

    Attributes:
        loaders: What the epochs of an experience, and evaluation, went through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loaders = []

    def before_training_epoch(self, strategy, **_):
        torch.manual_seed(5)
        self.loaders.append(type(strategy.dataloader))

    def after_training_epoch(self, *_, **__):
        torch.manual_seed(5)

    def before_eval_exp(self, strategy, **_):
        self.loaders.append(type(strategy.dataloader))


@pytest.fixture(scope="module")
def stream():
    """Digits: 0 or 1, then 2 or 3; one head of two outputs, 20 images a class."""
    settings = StreamSettings(
        dataset="digits",
        n_experiences=5,
        first=2,
        scenario=Scenario.DOMAIN,
        n_train_per_class=20,
    )
    return build_stream(settings, 0.0, 0, data_root())


def learnt(stream, plugins, ours, size=40, evaluator=None):
    """A strategy that has learnt both experiences, and where it was after each."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    arguments = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.2),
        "train_mb_size": size,
        "eval_mb_size": 16,
        "train_epochs": 3,
        "plugins": [Seeded(), *plugins],
        "evaluator": evaluator or EvaluationPlugin(loggers=[BaseLogger()]),
    }
    source = BatchSource(stream.train, Augmentation.NONE, Generator().manual_seed(0))
    strategy = (
        TensorStrategy(source=source, precision=Precision.FLOAT32, **arguments)
        if ours
        else Naive(**arguments)
    )
    weights = []
    for experience in stream.benchmark.train_stream:
        strategy.train(experience)
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
    return strategy, weights


@pytest.mark.parametrize("name", PLUGINS)
def test_training_is_that_of_plain_avalanche(name, stream):
    ours, our_weights = learnt(stream, [PLUGINS[name]()], ours=True)
    theirs, their_weights = learnt(stream, [PLUGINS[name]()], ours=False)
    _, without = learnt(stream, [], ours=True)
    for mine, other in zip(our_weights, their_weights, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)
    assert (our_weights[0] - without[0]).abs().max() < 1e-6  # nothing to remember yet
    assert (our_weights[1] - without[1]).abs().max() > 1e-3  # and then the plugin matters
    *_, loader = ours.plugins[0].loaders
    assert (loader is TensorLoader) is (name != "replay")
    assert TensorLoader not in theirs.plugins[0].loaders


def test_the_memory_holds_what_avalanche_would_keep(stream):
    buffers = []
    for ours in (True, False):
        plugin = ReplayPlugin(mem_size=MEMORY)
        learnt(stream, [plugin], ours)
        buffers.append(plugin.storage_policy.buffer)
    rows, others = (list(buffer.rows.data) for buffer in buffers)
    assert rows == others
    assert len(rows) == MEMORY
    for (image, target, _), row in zip(buffers[0], rows, strict=True):
        expected, label = stream.train[row]
        assert torch.equal(image, expected)
        assert target == label
    of_each = [set(e.dataset.rows.data) & set(rows) for e in stream.benchmark.train_stream]
    assert [len(some) for some in of_each] == [MEMORY // 2, MEMORY // 2]


def test_replay_goes_on_in_small_batches(stream):
    """Old images beside new ones in every batch of the second experience."""
    seen = []

    class Looks(SupervisedPlugin):
        def before_forward(self, strategy, **_):
            seen.append((strategy.clock.train_exp_counter, len(strategy.mb_x)))

    learnt(stream, [ReplayPlugin(mem_size=MEMORY), Looks()], ours=True, size=8)
    assert {n for experience, n in seen if experience == 0} == {8}
    assert {n for experience, n in seen if experience == 1} == {8 + 8, 8 + MEMORY - 8}


@pytest.mark.parametrize("size", [40, 7])
def test_importances_are_those_of_avalanche(stream, size):
    """Of all images in their own order, at the same weights; not zero."""
    ours, theirs = (EWCPlugin(ewc_lambda=0.0) for _ in range(2))
    strategy, _ = learnt(stream, [ours], ours=True, size=size)
    for t, experience in enumerate(stream.benchmark.train_stream):
        values = [p.data.clone() for p in ours.saved_params[t].values()]
        with torch.no_grad():
            for parameter, value in zip(strategy.model.parameters(), values, strict=True):
                parameter.copy_(value)
        expected = theirs.compute_importances(
            strategy.model,
            strategy._criterion,
            strategy.optimizer,
            experience.dataset,
            strategy.device,
            size,
        )
        for name, importance in ours.importances[t].items():
            assert torch.allclose(importance.data, expected[name].data, rtol=1e-5)
            assert importance.data.max() > 0


@pytest.mark.parametrize("split", ["train", "test", "both"])
def test_metrics_are_those_of_avalanche(stream, split):
    """The images are those of the dataset that is asked about, not those of training."""
    told = []
    for ours in (True, False):
        metrics = accuracy_metrics(experience=True, stream=True), loss_metrics(stream=True)
        evaluator = EvaluationPlugin(*metrics, loggers=[BaseLogger()])
        strategy, _ = learnt(stream, [], ours, evaluator=evaluator)
        told.append(strategy.eval(asked(stream, split)))
        *_, loader = strategy.plugins[0].loaders
        assert (loader is TensorLoader) is (ours and split != "both")
    ours, theirs = told
    assert ours.keys() == theirs.keys()
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert max(ours.values()) > 0.5


def asked(stream, split):
    """Experiences of a split, or one of all its images beside those of the other."""
    train, test = stream.benchmark.train_stream, stream.benchmark.test_stream
    if split != "both":
        return train if split == "train" else test
    return benchmark_of([train[0].dataset.concat(test[0].dataset)]).train_stream
