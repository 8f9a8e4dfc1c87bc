"""Three tiny tasks, a network with everything in it, and Avalanche's plain strategy."""

import pytest
import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from torch import nn
from torch.utils.data import TensorDataset


class Toy:
    """2x4x4 images, noise around the mean of their class, which each task draws anew."""

    n_tasks = 3

    def chain(self):
        """Convolution, batch norm, flatten and linears, with biases."""
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 12),
            nn.ReLU(),
            nn.Linear(12, 2),
        )

    def data(self, task, n=64):
        generator = torch.Generator().manual_seed(task)
        y = torch.arange(n) % 2
        side = (2 * y - 1).view(n, 1, 1, 1) * torch.randn(2, 4, 4, generator=generator)
        return side + torch.randn(n, 2, 4, 4, generator=generator), y

    def stream(self, labelled=True):
        """Experiences of one task each; without labels all have task label 0."""
        datasets = []
        for task in range(self.n_tasks):
            x, y = self.data(task)
            label = [task if labelled else 0] * len(x)
            labels = DataAttribute(label, "targets_task_labels", use_in_getitem=True)
            targets = DataAttribute(y.tolist(), "targets")
            datasets.append(
                AvalancheDataset([TensorDataset(x, y)], data_attributes=[targets, labels])
            )
        benchmark = benchmark_from_datasets(train=datasets)
        return with_task_labels(with_classes_timeline(benchmark)).train_stream

    def strategy(self, model, plugins=(), epochs=6, **sgd):
        options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3} | sgd
        return Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), **options),
            train_mb_size=16,
            train_epochs=epochs,
            plugins=list(plugins),
            evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
        )

    @torch.no_grad()
    def logits(self, network, task):
        return network.eval()(self.data(task)[0])

    def accuracy(self, logits, task):
        return float((logits.argmax(1) == self.data(task)[1]).float().mean())


@pytest.fixture(scope="session")
def toy():
    return Toy()
