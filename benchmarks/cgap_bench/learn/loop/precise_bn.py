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
    in evaluation mode, tracks nothing, or is not reached is left alone. Where statistics are
    put into a norm for a pass (`torch.func.functional_call`) it is those that are set. Modes
    and momenta are what they were afterwards.

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
    hooks = [norm.register_forward_pre_hook(_begin_anew()) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = None  # of all batches alike
        for dropout in dropping:
            dropout.training = False
        yield norms
    finally:
        for hook in hooks:
            hook.remove()
        for dropout in dropping:
            dropout.training = True
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum


def _trains(norm: _BatchNorm) -> bool:
    return norm.training and norm.track_running_stats and norm.running_mean is not None


def _begin_anew() -> Callable[[nn.Module, Any], None]:
    """A hook of one norm: before its first pass what it holds is forgotten, in place."""
    begun = False

    def hook(norm: Any, _inputs: Any) -> None:
        nonlocal begun
        if not begun:
            norm.reset_running_stats()
        begun = True

    return hook


class PreciseBN(SupervisedPlugin):  # type: ignore[misc]
    """After each training, estimates the statistics of batch norm anew (`estimating`).

    The images are those of the experience, shuffled and not augmented, in passes of nearly the
    same size. Where other plugins train on old images (`old_images`), as many as in training
    join each pass, which then is as large as a batch. A norm that was in evaluation mode in the
    experience's first batch stays as it is. Else no random numbers are drawn.

    It must stand before plugins that freeze or copy what was trained, and behind one that goes
    back to weights of an earlier epoch; what has to be changed of the network first, a plugin
    does in a method `settle_training(strategy)`, which is called before the passes.

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
        self._settled: list[_BatchNorm] | None = None

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        """Another experience: other norms may be frozen."""
        self._settled = None

    def after_forward(self, strategy: Any, **_: Any) -> None:
        """Remember which norms do not train, whoever has put them into evaluation mode."""
        if self._settled is None:
            norms = [m for m in strategy.model.modules() if isinstance(m, _BatchNorm)]
            self._settled = [norm for norm in norms if not norm.training]

    @torch.no_grad()
    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """One pass over the images, in float32."""
        for plugin in strategy.plugins:
            if hasattr(plugin, "settle_training"):
                plugin.settle_training(strategy)
        dataset, model = strategy.experience.dataset, strategy.model.train()
        for norm in self._settled or ():
            norm.eval()
        if len(dataset) < 2:  # one image has no variance
            return

        joining = [one for one in strategy.plugins if hasattr(one, "old_images")]
        size = even(len(dataset), strategy.train_mb_size if joining else self._batch_size)
        generator = torch.Generator().manual_seed(0)  # nobody else's
        shuffled = dataset.subset(torch.randperm(len(dataset), generator=generator).tolist())
        with estimating(model) as norms:
            if not norms:
                return
            with beside_training(strategy, "statistics of batch norm", len(dataset)):
                for batch in self._passes(shuffled, size):
                    new = batch[0].to(strategy.device), batch[-1].to(strategy.device)
                    avalanche_forward(model, *_with_old(joining, *new))


def even(n: int, size: int) -> int:
    """Images of a pass: at least as many as asked for, and the last pass hardly smaller.

    Args:
        n: In all, at least two.
        size: Asked for.

    Example:
        >>> even(570, 500), even(4750, 500), even(13, 3)
        (570, 528, 5)
    """
    size = -(-n // max(1, n // size))
    while n % size == 1:  # one image has no variance
        size += 1
    return size


def _plain(dataset: Any, size: int) -> Iterable[Any]:
    return DataLoader(dataset.eval(), size)


def _with_old(plugins: Sequence[Any], x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """New images and their task labels, joined by old ones of some plugins."""
    parts = [(x, labels)]
    for plugin in plugins:
        old = plugin.old_images(len(x))
        if old is not None:
            parts.append((old.x, old.labels))
    images, told = zip(*parts)
    return torch.cat(images), torch.cat(told)
