"""SupSup: weights are random and stay so; a task is a mask over them."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.scored import ScoredNetwork, largest
from cgap_bench.learn.methods.masks.task_network import PerChannel


class SupSup(ScoredNetwork):
    """Supermasks in superposition (Wortsman et al. 2020), task given in training and test.

    In each layer the largest share of the scores, signs included, is the mask (edge-popup,
    Ramanujan et al. 2020, without its magnitudes, as in SupSup's public code); weights are
    signed constants sqrt(2 / fan_in), the scale of He's initialisation. Scores start anew,
    uniform as `torch.nn.Linear` starts weights.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
        density: Share of the weights in a mask.
    """

    def __init__(
        self,
        network: nn.Sequential,
        tasks: Iterable[int],
        per_channel: PerChannel = PerChannel.OWN,
        density: float = 0.5,
    ) -> None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density} is not in (0, 1]")
        self._density = density
        super().__init__(network, tasks, per_channel)
        with torch.no_grad():
            for name in self.weight_names():
                weight = self.weight(name).requires_grad_(False)
                weight.copy_(weight.sign() * math.sqrt(2 / weight[0].numel()))

    def fresh_scores(self, weight: Tensor) -> Tensor:
        """Uniform in +-1 / sqrt(fan_in)."""
        return nn.init.kaiming_uniform_(torch.empty_like(weight), a=math.sqrt(5))

    def selected(self, ranks: Tensor) -> Tensor:
        """The largest scores of the layer; a negative one is a low one."""
        return largest(ranks, self._density)

    def source(self, name: str) -> Tensor:
        """The random weights."""
        return self.weight(name)

    @torch.no_grad()
    def begin(self, task: int) -> None:
        """Scores start anew."""
        super().begin(task)
        for name in self.weight_names():
            scores = self.scores_of(name)
            scores.copy_(self.fresh_scores(scores.detach()))

    def stored_parameters(self) -> int:
        """Weights are a seed and their signs: the bits of `mask_bits`, not numbers."""
        return super().stored_parameters() - self.n_weights()

    def mask_bits(self) -> int:
        """A bit for each weight and task, and one for each sign."""
        return super().mask_bits() + self.n_weights()
