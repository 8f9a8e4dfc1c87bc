"""Learning rates within an experience, seen from the strategy."""

import math

import pytest
import torch
from torch import nn

from cgap_bench.learn.learning_rate import ConstantThenCosine, FixedLengthPlugin, PlateauPlugin
from cgap_bench.record.configuration import LearningRateSchedule, TrainingSettings


class Strategy:
    """The few attributes of an Avalanche strategy that the plugins touch."""

    eval_mb_size = 4

    def __init__(self):
        self.model = nn.Linear(1, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=9.0, momentum=0.9)
        self.stopped = False

    def stop_training(self):
        self.stopped = True

    @property
    def lr(self):
        (rate,) = {group["lr"] for group in self.optimizer.param_groups}
        return rate


def step(strategy):
    strategy.model(torch.ones(1, 1)).sum().backward()
    strategy.optimizer.step()


def test_constant_then_cosine():
    training = TrainingSettings(epochs=10, lr=0.4, constant_share=0.5)
    strategy, plugin = Strategy(), FixedLengthPlugin(training)
    for _ in range(2):  # each experience starts anew
        plugin.before_training_exp(strategy)
        assert not strategy.optimizer.state
        rates = []
        for _ in range(10):
            rates.append(strategy.lr)
            step(strategy)
            plugin.after_training_epoch(strategy)
        expected = [0.4] * 6 + [0.2 * (1 + math.cos(math.pi * k / 5)) for k in range(1, 5)]
        assert rates == pytest.approx(expected)
        assert strategy.lr == pytest.approx(0.0)


def test_rate_reaches_parameter_groups_that_were_added_later():
    optimizer = Strategy().optimizer
    training = TrainingSettings(epochs=2, lr=0.4, constant_share=0.0)
    schedule = ConstantThenCosine(optimizer, training)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 0.4})
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.2])


class Plateau(PlateauPlugin):
    """Given losses instead of measured ones."""

    def __init__(self, training, losses):
        super().__init__(training, [], None)
        self.losses = iter(losses)

    def _loss(self, strategy):
        return next(self.losses)


def plateau(losses, **settings):
    training = TrainingSettings(
        **({"epochs": 50, "lr": 0.8, "patience": 2, "min_lr": 0.1} | settings),
        lr_schedule=LearningRateSchedule.PLATEAU,
    )
    strategy, plugin = Strategy(), Plateau(training, losses)
    plugin.before_training_exp(strategy)
    rates = []
    for epoch in range(len(losses)):
        nn.init.constant_(strategy.model.weight, float(epoch))
        plugin.after_training_epoch(strategy)
        rates.append(strategy.lr)
        if strategy.stopped:
            break
    plugin.after_training_exp(strategy)
    return rates, strategy


def test_rate_is_halved_after_as_many_bad_epochs_as_patience():
    rates, strategy = plateau([3.0, 2.0, 2.5, 2.0, 1.9, 2.0, 2.0])
    assert rates == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    assert not strategy.stopped


def test_training_stops_below_the_minimum_and_the_best_weights_come_back():
    rates, strategy = plateau([2.0, 1.0] + [3.0] * 20)
    assert rates[-1] < 0.1
    assert strategy.stopped
    assert len(rates) == 2 + 4 * 2
    assert strategy.model.weight.tolist() == [[1.0], [1.0]]


def test_stop_is_not_asked_for_after_the_last_epoch():
    """Avalanche would keep the request and skip the first epoch of the next experience."""
    _, strategy = plateau([1.0, 2.0, 2.0], epochs=3, min_lr=0.5)
    assert strategy.lr < 0.5
    assert not strategy.stopped
