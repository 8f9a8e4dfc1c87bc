"""Masks from trained scores: what Piggyback, SupSup and WSN have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskNetwork


class StraightThrough(torch.autograd.Function):
    """A binary mask whose gradient goes to the scores that it was made from, unchanged."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, mask: Tensor) -> Tensor:
        """The mask, as numbers."""
        return mask.to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """To the scores."""
        return gradient, None


def largest(scores: Tensor, share: float) -> Tensor:
    """Where the largest share of the scores lies, at least one; ties go to the first ones.

    Example:
        >>> largest(torch.tensor([3.0, 1.0, 2.0, 0.0]), 0.5).tolist()
        [True, False, True, False]
    """
    n = max(1, round(share * scores.numel()))
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[scores.detach().flatten().topk(n).indices] = True
    return mask.view(scores.shape)


class ScoredNetwork(TaskNetwork):
    """One score a weight is trained; a task keeps the mask that the scores ended with.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
    """

    def __init__(
        self, network: nn.Sequential, tasks: Iterable[int], per_channel: PerChannel
    ) -> None:
        super().__init__(network, tasks, per_channel)
        self.scores, self.masks = nn.ParameterDict(), nn.Module()
        for name in self.weight_names():
            weight, key = self.weight(name), name.replace(".", "__")
            self.scores[key] = nn.Parameter(self.fresh_scores(weight))
            n = len(self.labels)
            mask = torch.zeros(n, *weight.shape, dtype=torch.bool)
            self.masks.register_buffer(key, mask)

    @abstractmethod
    def fresh_scores(self, weight: Tensor) -> Tensor:
        """First scores of a layer, of the shape of its weight."""

    def ranked(self, scores: Tensor) -> Tensor:
        """What decides which weights are chosen, the greatest; gradients go through it."""
        return scores

    @abstractmethod
    def selected(self, ranks: Tensor) -> Tensor:
        """The mask that ranks stand for, bool."""

    @abstractmethod
    def source(self, name: str) -> Tensor:
        """The values that a mask chooses from; with gradients where they may be trained."""

    def scores_of(self, name: str) -> nn.Parameter:
        """Scores of one layer."""
        scores: nn.Parameter = self.scores[name.replace(".", "__")]
        return scores

    def masks_of(self, name: str) -> Tensor:
        """Masks of one layer by the position of the task, (T, *shape of the weight)."""
        return self.masks.get_buffer(name.replace(".", "__"))

    def weights(self, task: int) -> Mapping[str, Tensor]:
        """The chosen values, zero elsewhere."""
        return {name: self._weight_of(name, task) for name in self.weight_names()}

    def _weight_of(self, name: str, task: int) -> Tensor:
        if task != self.current:
            return self.source(name) * self.masks_of(name)[self.position(task)]
        ranks = self.ranked(self.scores_of(name))
        mask: Tensor = StraightThrough.apply(ranks, self.selected(ranks))
        return self.source(name) * mask

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Keep the mask."""
        for name in self.weight_names():
            mask = self.selected(self.ranked(self.scores_of(name)))
            self.masks_of(name)[self.position(task)] = mask
        super().finish(task)

    def mask_bits(self) -> int:
        """One bit for each weight and task, not compressed."""
        return self.n_weights() * self.n_learnt

    def density(self, task: int) -> float:
        """Share of the weights that a task uses."""
        position = self.position(task)
        n = sum(int(self.masks_of(name)[position].sum()) for name in self.weight_names())
        return n / self.n_weights()
