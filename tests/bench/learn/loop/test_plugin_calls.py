"""Plugins that have something to do are called, in their order, and no others."""

import pytest
import torch
from avalanche.benchmarks import tensors_benchmark
from avalanche.evaluation.metrics import loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.supervised import Naive
from torch import nn

from cgap_bench.learn.loop.plugin_calls import EVENTS, PluginCalls, busy


class Noting(SupervisedPlugin):
    def __init__(self, notes, name):
        super().__init__()
        self.notes, self.name = notes, name

    def before_forward(self, strategy, **options):
        self.notes.append((self.name, strategy, options))


class Duck:
    """Of no class of Avalanche's."""

    def __init__(self, notes):
        self.notes = notes

    def after_update(self, strategy, **_):
        self.notes.append("duck")


class Strategy(PluginCalls):
    def __init__(self, plugins):
        self.plugins = plugins


def tell_all(strategy):
    for event in EVENTS:
        strategy._tell(strategy.calls()[event], {"extra": 1})


def test_they_are_called_in_their_order_whenever_they_came():
    notes = []
    first, second = Noting(notes, "first"), Noting(notes, "second")
    strategy = Strategy([first, SupervisedPlugin(), Duck(notes)])
    tell_all(strategy)
    assert notes == [("first", strategy, {"extra": 1}), "duck"]
    notes.clear()
    strategy.plugins.insert(0, second)
    tell_all(strategy)
    assert [note[0] for note in notes if note != "duck"] == ["second", "first"]
    notes.clear()
    strategy.plugins[:] = [second]
    tell_all(strategy)
    assert [note[0] for note in notes] == ["second"]


class Everything(SupervisedPlugin):
    """Notes every call, and what the strategy is about then."""

    STATE = ()

    def __init__(self):
        super().__init__()
        self.notes = []

    def __getattribute__(self, name):
        if name not in EVENTS:
            return super().__getattribute__(name)

        def note(strategy, **options):
            about = (strategy.loss, strategy.mb_output) if name != EVENTS[0] else (None, None)
            values = [None if value is None else value.detach().clone() for value in about]
            self.notes.append((name, options, values))

        return note


class Adds(SupervisedPlugin):
    """Something to the loss, before there is one; in place or not."""

    STATE = ()

    def __init__(self, in_place):
        super().__init__()
        self.in_place = in_place

    def before_forward(self, strategy, **_):
        if self.in_place:
            strategy.loss += 2.0
        else:
            strategy.loss = strategy.loss + 2.0


class Ours(PluginCalls, Naive):
    """Avalanche's strategy with our iterations."""


def trained(kind, *plugins):
    """Weights after some epochs, and what was noted."""
    torch.manual_seed(0)
    images, targets = torch.randn(40, 6), torch.arange(40) % 3
    data = [(images, targets)]
    stream = tensors_benchmark(train_tensors=data, test_tensors=data, task_labels=[0])
    model, everything = nn.Linear(6, 3), Everything()
    strategy = kind(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        train_mb_size=8,
        train_epochs=2,
        plugins=[*plugins, everything],
        evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
    )
    torch.manual_seed(1)
    strategy.train(stream.train_stream[0])
    return model.weight.detach(), everything.notes


@pytest.mark.parametrize("plugins", [[], [Adds(True)], [Adds(False)]])
def test_an_epoch_is_avalanche_s_call_by_call_and_bit_for_bit(plugins):
    weight, notes = trained(Naive, *plugins)
    ours, our_notes = trained(Ours, *plugins)
    assert ours.equal(weight)
    assert [note[0] for note in notes] == [*EVENTS] * 10
    assert len(our_notes) == len(notes)
    for (event, options, values), expected in zip(our_notes, notes, strict=True):
        assert (event, options) == expected[:2]
        for mine, theirs in zip(values, expected[2], strict=True):
            assert (mine is None) == (theirs is None)
            assert mine is None or mine.squeeze().equal(theirs.squeeze())


@pytest.mark.parametrize("event", EVENTS)
def test_an_evaluation_plugin_is_idle_only_where_nobody_listens(event):
    class Loud(BaseLogger):
        pass

    assert busy(EvaluationPlugin(loggers=[BaseLogger()]), event) is None
    assert busy(EvaluationPlugin(loggers=[Loud()]), event) is not None
    metrics = loss_metrics(minibatch=True)
    assert busy(EvaluationPlugin(metrics, loggers=[BaseLogger()]), event) is not None
    assert busy(SupervisedPlugin(), event) is None
