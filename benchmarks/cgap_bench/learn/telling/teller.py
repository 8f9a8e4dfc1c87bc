"""The plugin that tells how far training is; it changes nothing."""

import time
from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from cgap_bench.learn.telling.standing import Standing

TELL_EVERY_S = 0.5  # while an epoch goes on

Tell = Callable[[int | Standing], None]


class Teller(SupervisedPlugin):  # type: ignore[misc]
    """Tells images that have gone through, and where training stands, every half second or so.

    Args:
        tell: Told the number of images since the last call, or where training stands.
        means: Whether to tell the means of each epoch too; they take a little time a batch.
    """

    STATE = ("_seen", "_told", "_n_batches", "_sums")

    def __init__(self, tell: Tell, means: bool = False) -> None:
        super().__init__()
        self._tell, self._means = tell, means
        self._last_s = 0.0
        self._begin()

    def _begin(self) -> None:
        """Nothing of this epoch yet."""
        self._seen = self._told = self._n_batches = 0
        self._sums: list[Any] = [0.0, 0, 0, 0]  # loss by row, right rows, rows, batches

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """A batch of the data, whatever joined it."""
        self._seen += strategy.train_mb_size
        self._n_batches += 1
        if self._means:
            self._add(strategy)
        if time.monotonic() - self._last_s >= TELL_EVERY_S:
            self._tell_images(min(self._seen, len(strategy.adapted_dataset)))
            accuracy = int(_right(strategy)) / len(strategy.mb_y)
            self._tell(_standing(strategy, float(_loss(strategy)), accuracy))

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """What was not told before."""
        self._tell_images(len(strategy.adapted_dataset))
        loss, right, rows, n_batches = self._sums
        # the beginning of an epoch may have been in a process that did not add up
        if n_batches == self._n_batches and rows:
            means = float(loss) / rows, int(right) / rows
            self._tell(_standing(strategy, *means, whole_epoch=True))
        self._begin()

    def _add(self, strategy: Any) -> None:
        n = len(strategy.mb_y)
        loss, right, rows, n_batches = self._sums
        loss = loss + _loss(strategy) * n  # a device is not waited for
        self._sums = [loss, right + _right(strategy), rows + n, n_batches + 1]

    def _tell_images(self, seen: int) -> None:
        self._tell(seen - self._told)
        self._told, self._last_s = seen, time.monotonic()


def _loss(strategy: Any) -> Tensor:
    return torch.as_tensor(strategy.loss).detach()


def _right(strategy: Any) -> Tensor:
    """Rows of the batch whose class the logits tell."""
    right: Tensor = (strategy.mb_output.detach().argmax(dim=1) == strategy.mb_y).sum()
    return right


def _standing(
    strategy: Any, loss: float, accuracy: float, whole_epoch: bool = False
) -> Standing:
    # Avalanche counts an epoch once its hooks have run
    clock, column = strategy.clock, getattr(strategy.model, "column", None)
    return Standing(
        epoch=clock.train_exp_epochs + 1,
        n_epochs=strategy.train_epochs,
        loss=loss,
        accuracy=accuracy,
        widths=dict(getattr(column, "widths", {})),
        n_images=len(strategy.adapted_dataset),
        n_batches=len(strategy.dataloader),
        whole_epoch=whole_epoch,
    )
