"""Plugins that have something to do are called, in their order, and no others."""

import pytest
from avalanche.evaluation.metrics import loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.supervised import Naive

from cgap_bench.learn.loop.plugin_calls import PluginCalls, busy

EVENTS = [
    f"{when}_{what}"
    for when in ("before", "after")
    for what in ("training_iteration", "forward", "backward", "update")
]


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
        getattr(strategy, f"_{event}")(extra=1)


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


def test_what_avalanche_calls_in_an_iteration_is_what_is_overridden():
    ours = {name for name in vars(PluginCalls) if name.startswith(("_before", "_after"))}
    assert ours == {f"_{event}" for event in EVENTS}
    assert all(hasattr(Naive, name) for name in ours)


@pytest.mark.parametrize("event", EVENTS)
def test_an_evaluation_plugin_is_idle_only_where_nobody_listens(event):
    class Loud(BaseLogger):
        pass

    assert busy(EvaluationPlugin(loggers=[BaseLogger()]), event) is None
    assert busy(EvaluationPlugin(loggers=[Loud()]), event) is not None
    metrics = loss_metrics(minibatch=True)
    assert busy(EvaluationPlugin(metrics, loggers=[BaseLogger()]), event) is not None
    assert busy(SupervisedPlugin(), event) is None
