"""The optimizer of a preset, the same for every method."""

from collections.abc import Iterable

import torch
from torch import nn

from cgap_bench.record.configuration import Optimizer, TrainingSettings


def optimizer_of(
    parameters: Iterable[nn.Parameter], training: TrainingSettings, lr: float | None = None
) -> torch.optim.Optimizer:
    """One of torch's.

    Args:
        parameters: What it is to train.
        training: Which one, and how.
        lr: Another learning rate than the settings'.
    """
    rate = training.lr if lr is None else lr
    fused = True if training.fused else None  # None: as torch sees fit
    if training.optimizer is Optimizer.ADAM:
        return torch.optim.Adam(
            parameters, rate, weight_decay=training.weight_decay, fused=fused
        )
    return torch.optim.SGD(
        parameters, rate, training.momentum, weight_decay=training.weight_decay, fused=fused
    )
