"""Piggyback: the first task trains the weights, later ones only choose among them."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.scored import ScoredNetwork
from cgap_bench.learn.methods.masks.task_network import PerChannel

FIRST_SCORE, THRESHOLD = 1e-2, 5e-3  # Mallya et al. 2018, section 4


class Piggyback(ScoredNetwork):
    """A mask a task over the frozen weights of the first one.

    Mallya, Davis and Lazebnik 2018 (Piggyback), section 3: a weight is used where its score
    exceeds a threshold, the gradient of the binary mask goes straight to the scores.
    Deviations: the backbone is not pre-trained on ImageNet but on the first task of the stream;
    scores train with the optimizer of the strategy instead of their own Adam.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
        threshold: Score above which a weight is used, in (0, 0.01): all start at 0.01.
    """

    def __init__(
        self,
        network: nn.Sequential,
        tasks: Iterable[int],
        per_channel: PerChannel = PerChannel.OWN,
        threshold: float = THRESHOLD,
    ) -> None:
        if not 0 < threshold < FIRST_SCORE:
            raise ValueError(f"threshold={threshold} is not in (0, {FIRST_SCORE})")
        self._threshold = threshold
        super().__init__(network, tasks, per_channel)

    def fresh_scores(self, weight: Tensor) -> Tensor:
        """All above the threshold: a task starts with every weight."""
        return torch.full_like(weight, FIRST_SCORE)

    def selected(self, ranks: Tensor) -> Tensor:
        """Scores above the threshold."""
        return ranks > self._threshold

    def source(self, name: str) -> Tensor:
        """The weights; they take gradients in the first task alone."""
        return self.weight(name)

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """The first task trains weights and uses all; others train scores, from the start."""
        super().begin(task)
        for name in self.weight_names():
            self.scores_of(name).fill_(FIRST_SCORE)

    def train_only(self, task: int) -> None:
        """Weights in the first task, scores in later ones."""
        super().train_only(task)
        first = self.position(task) == 0
        for name in self.weight_names():
            self.weight(name).requires_grad_(first)
            self.scores_of(name).requires_grad_(not first)

    def mask_bits(self) -> int:
        """The first task needs no mask."""
        return self.n_weights() * max(0, self.n_learnt - 1)
