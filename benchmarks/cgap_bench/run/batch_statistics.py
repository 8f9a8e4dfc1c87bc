"""Batch norm by the statistics of the batch at hand, in evaluation, as P-GPM10 has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def by_batch_statistics(network: nn.Module) -> Iterator[None]:
    """All batch norms use, and do not keep, the mean and variance of each batch for a while.

    Everything else, dropout for one, stays in the mode that it is in.

    Args:
        network: Any; it is left as it was, running statistics included.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm1d(1).eval()
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> with by_batch_statistics(norm):
        ...     norm(x).flatten().round().tolist()
        [-1.0, 1.0]
        >>> norm(x).flatten().round().tolist(), norm.running_mean.item()
        ([1.0, 3.0], 0.0)
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    modes = [(norm.training, norm.track_running_stats) for norm in norms]
    try:
        for norm in norms:  # torch keeps no statistics where they are not tracked
            norm.training, norm.track_running_stats = True, False
        yield
    finally:
        for norm, mode in zip(norms, modes):
            norm.training, norm.track_running_stats = mode
