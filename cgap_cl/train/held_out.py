"""Held-out data of one experience: quality of the column on it, and trials of ancestors."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

    >>> split_indices(6, 0.4, seed=0)
    ([0, 1, 3, 4], [2, 5])
    """
    n_held_out = int(share * n)
    if n_held_out >= n:
        n_held_out = 0
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(order[n_held_out:]), sorted(order[:n_held_out])


@dataclass(frozen=True)
class Trial:
    """What a short training of a candidate column needs.

    Attributes:
        dataset: rows to train on.
        label: the experience's task label.
        classes: ids of its classes.
        iterations: steps.
        seed: of the batches and fresh weights.
    """

    dataset: Any
    label: int
    classes: Sequence[int]
    iterations: int
    seed: int


class HeldOut:
    """Judges the column of a strategy on rows that it is not trained on.

    Args:
        strategy: an Avalanche strategy; its device and batch sizes are used.
        network: the network.
        dataset: the rows, with evaluation transforms: (x, class, task label).
        setting: how births are tried.
    """

    def __init__(
        self, strategy: Any, network: PlasticNetwork, dataset: Any, setting: Trial
    ) -> None:
        self.strategy = strategy
        self.network = network
        self.dataset = dataset
        self.setting = setting

    @torch.no_grad()
    def measure(self) -> Quality:
        """Loss and accuracy of the column as it is, in eval mode."""
        return self._judge(self.network)

    def trial(self, birth: Birth) -> float:
        """Held-out loss of a column born so, after a short training.

        The trial runs in a copy of the network, with a fresh optimizer of the strategy's kind
        and present settings, and leaves the global random generator as it was.
        """
        network, setting = copy.deepcopy(self.network), self.setting
        with torch.random.fork_rng():
            torch.manual_seed(setting.seed)
            network.sprout(setting.label, setting.classes, birth)
            self._train(network)
        with torch.no_grad():
            return self._judge(network).loss

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

    def _train(self, network: PlasticNetwork) -> None:
        setting, host = self.setting, self.strategy.optimizer
        group = host.param_groups[-1]
        options = {key: group[key] for key in host.defaults if key in group}
        optimizer = type(host)(network.live_parameters(), **options)

        network.train()
        generator = torch.Generator().manual_seed(setting.seed)
        done = 0
        while done < setting.iterations:
            batches = self._batches(setting.dataset, self.strategy.train_mb_size, generator)
            for x, y in islice(batches, setting.iterations - done):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x, setting.label), y).backward()
                optimizer.step()
                done += 1

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
