"""Memory aware synapses: importance is how much a weight moves the output."""

from typing import Any

import torch
from torch import Tensor

from cgap_bench.learn.methods.penalties.quadratic import QuadraticPenalty, summed, weights_of
from cgap_bench.learn.methods.penalties.sensitivity import batches, mean_over_batches


class MemoryAwareSynapses(QuadraticPenalty):
    """Aljundi et al. 2018 (MAS): F_i = mean |d ||f(x)||^2 / d w_i|, summed over the tasks.

    Needs no labels. Avalanche's plugin mixes old and new importances by a share instead of
    adding them up, and measures in training mode, where it moves the statistics of batch norms
    and drops units.

    Args:
        strength: lambda.
        stiffest: See `QuadraticPenalty`.
        batch_size: Images whose mean gradient is taken before its magnitude; 1 is the paper's
            equation 3; None: as in training.
        n_images: Images of an experience that are looked at; None: all.
    """

    def __init__(
        self,
        strength: float,
        stiffest: float | None = None,
        batch_size: int | None = None,
        n_images: int | None = None,
    ) -> None:
        super().__init__(strength, stiffest)
        self._batch_size, self._n_images = batch_size, n_images

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Add the importances of the experience that ends."""
        data = batches(strategy, self._batch_size, self._n_images)
        new = mean_over_batches(strategy, data, _squared_length, torch.abs)
        self.settle(summed(self.importance, new), weights_of(strategy.model))


def _squared_length(logits: Tensor, _targets: Tensor) -> Tensor:
    return logits.square().sum(1).mean()
