"""No masks at all: every task trains all weights, but has its own biases and batch norms."""

from collections.abc import Mapping

from torch import Tensor

from cgap_bench.learn.methods.masks.task_network import TaskNetwork


class SharedWeights(TaskNetwork):
    """Plain fine-tuning with per-channel values of each task's own.

    Masked networks have these; beside them a shared network is compared fairly if it has them
    too. Statistics of a batch norm then stay those of their task, whatever is learnt later.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        >>> shared = SharedWeights(net, tasks=[0, 1])
        >>> shared.begin(0)
        >>> len(list(shared.network_for(0)))
        3
    """

    def weights(self, task: int) -> Mapping[str, Tensor]:
        """The same for all."""
        return {name: self.weight(name) for name in self.weight_names()}

    def mask_bits(self) -> int:
        """There are no masks."""
        return 0
