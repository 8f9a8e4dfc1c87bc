"""Held-out data of one experience: quality of the column on it, and trials of ancestors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cgap_cl.blocks.inheriting import Birth
from cgap_cl.decide.watch import Quality
from cgap_cl.network.plastic_network import PlasticNetwork


def split_indices(n: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Training and held-out rows, each ascending, drawn with a seed.

    Nothing is held out where the share is less than one row, or would leave no training row.
    """
    n_held_out = int(share * n)
    if n_held_out >= n:
        n_held_out = 0
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(order[n_held_out:]), sorted(order[:n_held_out])


class HeldOut:
    """Judges the column of a strategy on rows that it is not trained on.

    Args:
        strategy: an Avalanche strategy; its device and batch sizes are used.
        network: the network.
        dataset: the rows, with evaluation transforms: (x, class, task label).
    """

    def __init__(self, strategy: Any, network: PlasticNetwork, dataset: Any) -> None:
        self.strategy = strategy
        self.network = network
        self.dataset = dataset

    def _batches(
        self, dataset: Any, size: int, generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches on the strategy's device; shuffled if there is a generator."""
        spare = torch.Generator()  # a loader without one draws from the global generator
        loader: DataLoader[Any] = DataLoader(
            dataset, size, shuffle=generator is not None, generator=generator or spare
        )
        for x, y, *_ in loader:
            yield x.to(self.strategy.device), y.to(self.strategy.device)

    @torch.no_grad()
    def measure(self) -> Quality:
        """Loss and accuracy of the column as it is, in eval mode."""
        return self._judge(self.network)

    def _judge(self, network: PlasticNetwork) -> Quality:
        column, mode = network.column, network.training
        assert column is not None
        network.eval()
        loss, right, n = 0.0, 0, 0
        for x, y in self._batches(self.dataset, self.strategy.eval_mb_size, None):
            logits = network(x, column.label).float()
            loss += float(nn.functional.cross_entropy(logits, y, reduction="sum"))
            right += int((logits.argmax(1) == y).sum())
            n += len(y)
        network.train(mode)
        return Quality(loss / n, right / n)

    def trial_with(
        self, dataset: Any, label: int, n_classes: int, iterations: int, seed: int
    ) -> Callable[[Birth], float]:  # fmt: skip
        """A judge of births: held-out loss of such a column after a short training.

        The trial runs in a copy of the network, with a fresh optimizer of the strategy's kind
        and present settings, and leaves the global random generator as it was.

        Args:
            dataset: rows to train on.
            label: the experience's task label.
            n_classes: outputs of its head.
            iterations: steps of the trial.
            seed: of the batches and fresh weights.
        """

        def trial(birth: Birth) -> float:
            network = copy.deepcopy(self.network)
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                network.sprout(label, n_classes, birth)
                self._train(network, label, dataset, iterations, seed)
            with torch.no_grad():
                return self._judge(network).loss

        return trial

    def _train(
        self, network: PlasticNetwork, label: int, dataset: Any, iterations: int, seed: int
    ) -> None:
        group = self.strategy.optimizer.param_groups[-1]
        kind = type(self.strategy.optimizer)
        settings = {key: group[key] for key in self.strategy.optimizer.defaults if key in group}
        optimizer = kind(network.live_parameters(), **settings)
        network.train()
        generator = torch.Generator().manual_seed(seed)
        done = 0
        while done < iterations:
            batches = self._batches(dataset, self.strategy.train_mb_size, generator)
            for x, y in islice(batches, iterations - done):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x, label), y).backward()
                optimizer.step()
                done += 1
