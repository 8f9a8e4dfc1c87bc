"""WSN: winning subnetworks, weights and masks trained together."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cgap_bench.learn.methods.masks.scored import ScoredNetwork, largest
from cgap_bench.learn.methods.masks.task_network import PerChannel


class WSN(ScoredNetwork):
    """Kang et al. 2022 (WSN), algorithm 1: a task may use all weights and train unused ones.

    In each layer a task's mask holds the largest share of the scores' magnitudes; weights in
    the mask of an earlier task take no gradient (equation 5). Scores go on from task to task.
    Weights used before are read from a buffer that no optimizer knows, so that neither
    momentum nor weight decay moves them.

    Args:
        network: A chain whose last module is the model of the heads.
        tasks: Task labels.
        per_channel: What happens to biases and batch norms.
        density: Share of the weights in a mask, the paper's c.
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
        self.settled, self.union = nn.Module(), nn.Module()
        for name in self.weight_names():
            weight, key = self.weight(name), name.replace(".", "__")
            self.settled.register_buffer(key, torch.zeros_like(weight))
            self.union.register_buffer(key, torch.zeros(weight.shape, dtype=torch.bool))

    def fresh_scores(self, weight: Tensor) -> Tensor:
        """Uniform in +-1 / sqrt(fan_in)."""
        return nn.init.kaiming_uniform_(torch.empty_like(weight), a=math.sqrt(5))

    def ranked(self, scores: Tensor) -> Tensor:
        """Magnitudes: where a weight is wanted, a negative score falls."""
        return scores.abs()

    def selected(self, ranks: Tensor) -> Tensor:
        """The largest of the layer."""
        return largest(ranks, self._density)

    def used(self, name: str) -> Tensor:
        """Weights in the mask of any task that is finished."""
        return self.union.get_buffer(name.replace(".", "__"))

    def source(self, name: str) -> Tensor:
        """Settled values where they are used, else what is being trained."""
        settled = self.settled.get_buffer(name.replace(".", "__"))
        return torch.where(self.used(name), settled, self.weight(name))

    @torch.no_grad()
    def finish(self, task: int) -> None:
        """Keep the mask, and the values of the weights that are used for the first time."""
        values = {name: self.source(name) for name in self.weight_names()}
        super().finish(task)
        for name, value in values.items():
            self.used(name).logical_or_(self.masks_of(name)[self.position(task)])
            settled = self.settled.get_buffer(name.replace(".", "__"))
            settled.copy_(value * self.used(name))

    def capacity(self, huffman: float = 0.78) -> float:
        """CAP of the paper in units of one dense network: used weights and compressed masks.

        (1 - S) + (1 - alpha) T / 32, with S the share of weights that no task uses and alpha
        the rate of compression of the masks (Kang et al. 2022, section 4.1).

        Args:
            huffman: alpha.
        """
        n = sum(int(self.used(name).sum()) for name in self.weight_names())
        return n / self.n_weights() + (1 - huffman) * self.n_learnt / 32
