"""Elastic weight consolidation, separate and online."""

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cgap_bench.learn.methods.penalties.quadratic import (
    Named,
    QuadraticPenalty,
    summed,
    weights_of,
)
from cgap_bench.learn.methods.penalties.sensitivity import batches, mean_over_batches


class Labels(StrEnum):
    """Whose gradients the Fisher information is made of."""

    GIVEN = "given"  # of the true label: the empirical Fisher, as in Avalanche
    PREDICTED = "predicted"  # of the likeliest label, as in Hsu et al. 2018
    SAMPLED = "sampled"  # of a label drawn from the prediction: the Fisher information


class EWC(QuadraticPenalty):
    """Elastic weight consolidation (Kirkpatrick et al. 2017), one parabola a task.

    The loss of task t gets strength * sum_k F_k (w - w_k)^2 over the old tasks k, without the
    paper's half. The sum is kept as one parabola, F (w - m)^2 with F = sum_k F_k and
    m = sum_k F_k w_k / F, which has the same gradient and costs the same for many tasks as for
    one. Importances are squared gradients of a network that fits its data and span many orders
    of magnitude: with plain SGD training diverges before the strength is high enough to help,
    unless `stiffest` bounds them.

    Args:
        strength: lambda / 2 of the paper.
        stiffest: See `QuadraticPenalty`.
        labels: Whose gradients are squared.
        batch_size: Images whose mean gradient is squared; 1 is the Fisher information itself,
            b an estimate of its b-th part; None: as in training.
        n_images: Images of an experience that are looked at; None: all.

    Example:
        >>> from avalanche.training import Naive
        >>> model = torch.nn.Linear(4, 2)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> plugins = [EWC(strength=100.0)]
        >>> strategy = Naive(model=model, optimizer=optimizer, plugins=plugins, evaluator=None)
    """

    def __init__(
        self,
        strength: float,
        stiffest: float | None = None,
        labels: Labels = Labels.GIVEN,
        batch_size: int | None = None,
        n_images: int | None = None,
    ) -> None:
        super().__init__(strength, stiffest)
        self._labels, self._batch_size, self._n_images = labels, batch_size, n_images

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Add what the experience that ends needs."""
        new = self.fisher(strategy)
        self.settle(*self.merged(new, weights_of(strategy.model)))

    def fisher(self, strategy: Any) -> Named:
        """Diagonal of the Fisher information on the present experience."""

        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            return functional.cross_entropy(logits, _chosen(logits, targets, self._labels))

        data = batches(strategy, self._batch_size, self._n_images)
        return mean_over_batches(strategy, data, loss, torch.square)

    def merged(self, new: Named, now: Named) -> tuple[Named, Named]:
        """Importances and anchors of the parabola that all tasks so far add up to."""
        total = summed(self.importance, new)
        anchors = {}
        for name, weight in now.items():
            anchor = self.anchor.get(name, weight)
            share = torch.where(total[name] > 0, new[name] / total[name], 0)
            anchors[name] = anchor + share * (weight - anchor)
        return total, anchors


class OnlineEWC(EWC):
    """One parabola around the newest weights, its steepness decaying (Schwarz et al. 2018).

    F = decay * F + F_t, anchored at w_t (Progress and Compress, equation 9).

    Args:
        strength: lambda / 2.
        decay: gamma; 1 keeps the importances of all tasks, as in Hsu et al. 2018.
        options: See `EWC`.
    """

    def __init__(self, strength: float, decay: float = 1.0, **options: Any) -> None:
        super().__init__(strength, **options)
        if not 0 <= decay <= 1:
            raise ValueError(f"decay={decay} is not in [0, 1]")
        self._decay = decay

    def merged(self, new: Named, now: Named) -> tuple[Named, Named]:
        """Importances, and the present weights."""
        return summed(self.importance, new, self._decay), now


def _chosen(logits: Tensor, targets: Tensor, labels: Labels) -> Tensor:
    if labels is Labels.PREDICTED:
        return logits.detach().argmax(1)
    if labels is Labels.SAMPLED:
        return torch.multinomial(logits.detach().softmax(1), 1).flatten()
    return targets
