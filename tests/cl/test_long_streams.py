"""A hundred experiences: what one costs and how long it takes does not grow with them."""

import statistics
import time

import pytest
import torch
from avalanche.benchmarks import tensors_benchmark
from torch import nn

from cgap_cl import CGaPConfig, PlasticNetwork

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:avalanche", "ignore:No loggers specified:UserWarning"
    ),
]
N = 100
TARGET = 0.2


def part(generator):
    """Two classes that differ in one half of a map."""
    y = torch.arange(128) % 2
    x = torch.randn(128, 1, 8, 8, generator=generator)
    x[:, :, :4] += y.view(-1, 1, 1, 1)
    return x, y


def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 32),
        nn.ReLU(),
        nn.Linear(32, 2),
    )


def trained(strategy, labels):
    """Prices after every experience, and the processor time that each took [s]."""
    generator = torch.Generator().manual_seed(0)
    parts = [part(generator) for _ in range(N)]
    stream = tensors_benchmark(train_tensors=parts, test_tensors=parts, task_labels=labels)
    network = PlasticNetwork(cnn(), parts[0][0][:2])
    config = CGaPConfig(target_price=TARGET)
    host = strategy(network, config=config, train_epochs=12, train_mb_size=32)
    prices, times = [], []
    for experience in stream.train_stream:
        start = time.process_time()
        host.train(experience)
        times.append(time.process_time() - start)
        prices.append(host.plugins[0].history[-1]["price"])
    return network, prices, times


def test_a_hundred_tasks(strategy):
    """Constant price; the hundredth takes at most 1.3 times as long as the tenth."""
    network, prices, times = trained(strategy, list(range(N)))
    assert max(prices) <= TARGET
    assert max(prices[1:]) - min(prices[1:]) <= 0.02
    early, late = statistics.median(times[7:14]), statistics.median(times[-7:])
    print(f"t = 10: {early:.3f} s, t = 100: {late:.3f} s, ratio {late / early:.2f}")
    assert late <= 1.3 * early
    assert len(network.subnetwork(N - 1).state_dict()) == len(
        network.subnetwork(9).state_dict()
    )


def test_a_hundred_visits_of_one_head(strategy):
    """The price of an inference stays within its bound, and the width with it."""
    network, prices, _ = trained(strategy, [0] * N)
    assert max(prices) <= TARGET
    assert len(network.versions(0)) == N
    assert not network.newest.sources()
