"""Statistics of batch norm as inference needs them: of all training images, without dropout.

Running statistics are of batches that dropout has thinned: the mean stays, the variance grows,
and every norm behind a dropout then divides by too much when nothing is dropped any more
("variance shift", Li et al. 2019, doi 10.1109/CVPR.2019.00279). Once training is over they can
be estimated anew with fixed weights ("precise BN", Wu and Johnson 2021, arXiv 2105.07576).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from avalanche.models import avalanche_forward
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.data import DataLoader

from cgap_bench.learn.training_macs import beside_training

Passes = Callable[[Any, int], Iterable[Sequence[Tensor]]]


@contextmanager
def estimating(network: nn.Module) -> Iterator[list[_BatchNorm]]:
    """Forward passes set the statistics of the norms that train, and drop nothing, for a while.

    As in `torch.optim.swa_utils.update_bn` each norm averages over all batches of the passes,
    whatever it held before; but what the network drops in training is kept here. A norm that is
    in evaluation mode, or tracks nothing, is left alone. Modes and momenta are what they were
    afterwards.

    Args:
        network: In training mode, except for what is frozen.

    Returns:
        The norms; where there are none, passes would be in vain.

    Example:
        >>> network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(1)).train()
        >>> with estimating(network):
        ...     _ = network(torch.tensor([[1.0], [3.0]]))
        >>> network[1].running_mean.item(), network[1].running_var.item()
        (2.0, 2.0)
    """
    modules = list(network.modules())
    norms = [m for m in modules if isinstance(m, _BatchNorm) and _trains(m)]
    dropping = [m for m in modules if isinstance(m, _DropoutNd) and m.training]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # of all batches alike
        for dropout in dropping:
            dropout.training = False
        yield norms
    finally:
        for dropout in dropping:
            dropout.training = True
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum


def _trains(norm: _BatchNorm) -> bool:
    return norm.training and norm.track_running_stats and norm.running_mean is not None


class PreciseBN(SupervisedPlugin):  # type: ignore[misc]
    """After each training, estimates the statistics of batch norm anew (`estimating`).

    The images are those of the experience, in file order and not augmented; as many of each
    memory of another plugin (its `memory.draw`) join each pass. Else no random numbers are
    drawn. It must stand before plugins that freeze or copy what was trained, and behind one
    that goes back to weights of an earlier epoch.

    Args:
        batch_size: Images of a pass.
        passes: Avalanche dataset and batch size -> batches (images, ..., task labels), as they
            are scored; by default those of a plain loader, under the transforms of evaluation.
    """

    STATE = ()

    def __init__(self, batch_size: int = 256, passes: Passes | None = None) -> None:
        super().__init__()
        self._batch_size = batch_size
        self._passes = passes or _plain

    @torch.no_grad()
    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """One pass over the images, in float32."""
        dataset, size = strategy.experience.dataset, self._batch_size
        while len(dataset) % size == 1:  # one image has no variance
            size += 1
        model = strategy.model.train()
        with estimating(model) as norms:
            if not norms:
                return
            with beside_training(strategy, "statistics of batch norm", len(dataset)):
                for batch in self._passes(dataset, size):
                    new = batch[0].to(strategy.device), batch[-1].to(strategy.device)
                    avalanche_forward(model, *_with_old(strategy.plugins, *new))


def _plain(dataset: Any, size: int) -> Iterable[Any]:
    return DataLoader(dataset.eval(), size)


def _with_old(plugins: Sequence[Any], x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """New images and their task labels, joined by those of memories."""
    memories = [plugin.memory for plugin in plugins if hasattr(plugin, "memory")]
    old = [memory.draw(len(x)) for memory in memories if len(memory)]
    if not old:
        return x, labels
    return torch.cat([x, *(one.x for one in old)]), torch.cat(
        [labels, *(one.labels for one in old)]
    )
