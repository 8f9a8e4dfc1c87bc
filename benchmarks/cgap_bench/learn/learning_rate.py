"""The learning rate within an experience, as Avalanche plugins: the same for every method."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch.nn import functional
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from cgap_bench.learn.batches import BatchSource, TensorLoader
from cgap_bench.learn.training_macs import beside_training
from cgap_bench.record.configuration import LearningRateSchedule, TrainingSettings

CALLBACK = Any  # Avalanche passes the strategy and keywords
HeldOut = Callable[[Any], Sequence[Any]]


class ConstantThenCosine(LRScheduler):
    """The initial rate for a share of the epochs, then a half cosine down to zero.

    Args:
        optimizer: Its parameter groups may change while it trains; their rates are set alike.
        training: Epochs, rate and share.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, training: TrainingSettings) -> None:
        self._training = training
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """One rate per parameter group; `last_epoch` counts finished epochs."""
        training = self._training
        start = training.constant_share * training.epochs
        past = max(0.0, self.last_epoch - start) / max(1e-9, training.epochs - start)
        rate = training.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, past)))
        return [rate] * len(self.optimizer.param_groups)

    def state_dict(self) -> dict[str, Any]:
        """All but what it was made with."""
        return {k: v for k, v in super().state_dict().items() if k != "_training"}


class FixedLengthPlugin(SupervisedPlugin):  # type: ignore[misc]
    """Runs `ConstantThenCosine` anew in each experience, from a fresh optimizer state."""

    def __init__(self, training: TrainingSettings) -> None:
        super().__init__()
        self._training = training
        self._scheduler: ConstantThenCosine | None = None

    def before_training_exp(self, strategy: CALLBACK, **_: Any) -> None:
        """The rate restarts, momentum of the past is dropped."""
        _restart(strategy, self._training.lr)
        self._scheduler = ConstantThenCosine(strategy.optimizer, self._training)

    def after_training_epoch(self, strategy: CALLBACK, **_: Any) -> None:
        """The rate of the next epoch."""
        assert self._scheduler is not None
        self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Where the rate stands, inside an experience."""
        return {"scheduler": self._scheduler.state_dict() if self._scheduler else None}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`; between experiences there is nothing to take up."""
        if self._scheduler is not None:
            self._scheduler.load_state_dict(saved["scheduler"])


class PlateauPlugin(SupervisedPlugin):  # type: ignore[misc]
    """Halves the rate when the held-out loss stalls; keeps the weights that were best on it.

    As in the public code of GPM (Saha et al. 2021): the patience counts epochs without a new
    best loss, training stops when the rate falls below its minimum.

    Args:
        training: Rate, patience, minimum rate, epochs.
        heldout_of: Experience -> Avalanche datasets of what was held out of it.
        source: Where their images come from.
    """

    def __init__(
        self, training: TrainingSettings, heldout_of: HeldOut, source: BatchSource
    ) -> None:
        super().__init__()
        self._training, self._heldout_of, self._source = training, heldout_of, source
        self._scheduler: ReduceLROnPlateau | None = None
        self._best_loss, self._epoch = math.inf, 0
        self._best_state: dict[str, torch.Tensor] = {}

    def before_training_exp(self, strategy: CALLBACK, **_: Any) -> None:
        """The rate, its patience and the best weights start anew."""
        _restart(strategy, self._training.lr)
        patience = self._training.patience - 1  # torch counts the epochs that are tolerated
        self._scheduler = ReduceLROnPlateau(
            strategy.optimizer, factor=0.5, patience=patience, threshold=0.0
        )
        self._best_loss, self._epoch, self._best_state = math.inf, 0, {}

    def after_training_epoch(self, strategy: CALLBACK, **_: Any) -> None:
        """Measure the held-out loss, remember the best weights, adapt the rate, maybe stop."""
        assert self._scheduler is not None
        loss = self._loss(strategy)
        if loss < self._best_loss:
            self._best_loss = loss
            self._best_state = copy.deepcopy(strategy.model.state_dict())
        self._scheduler.step(loss)
        self._epoch += 1
        too_low = strategy.optimizer.param_groups[0]["lr"] < self._training.min_lr
        if too_low and self._epoch < self._training.epochs:
            strategy.stop_training()

    def after_training_exp(self, strategy: CALLBACK, **_: Any) -> None:
        """Back to the best weights."""
        if self._best_state:
            strategy.model.load_state_dict(self._best_state)

    def state_dict(self) -> dict[str, Any]:
        """Where the rate stands and what was best, inside an experience."""
        return {
            "scheduler": self._scheduler.state_dict() if self._scheduler else None,
            "best_loss": self._best_loss,
            "best_state": self._best_state,
            "epoch": self._epoch,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`; between experiences there is nothing to take up."""
        if self._scheduler is not None:
            self._scheduler.load_state_dict(saved["scheduler"])
            self._best_loss, self._best_state = saved["best_loss"], saved["best_state"]
            self._epoch = saved["epoch"]

    def _loss(self, strategy: CALLBACK) -> float:
        """Mean cross-entropy on what was held out of the present experience."""
        total, n = 0.0, 0
        strategy.model.eval()
        with torch.no_grad(), beside_training(strategy, "held-out images"):
            for dataset in self._heldout_of(strategy.experience):
                for x, y, t in TensorLoader(
                    dataset, self._source, strategy.eval_mb_size, train=False
                ):
                    logits = strategy.model(x, t)
                    total += float(functional.cross_entropy(logits, y, reduction="sum"))
                    n += len(y)
        strategy.model.train()
        return total / n


def _restart(strategy: CALLBACK, lr: float) -> None:
    strategy.optimizer.state.clear()
    for group in strategy.optimizer.param_groups:
        group["lr"] = lr
        group.pop("initial_lr", None)


def learning_rate_plugin(
    training: TrainingSettings, heldout_of: HeldOut, source: BatchSource
) -> SupervisedPlugin:
    """The plugin that sets the learning rate as a preset asks for."""
    if training.lr_schedule is LearningRateSchedule.PLATEAU:
        return PlateauPlugin(training, heldout_of, source)
    return FixedLengthPlugin(training)
