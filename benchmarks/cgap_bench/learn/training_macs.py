"""What training costs: multiply-adds of forward and backward passes, by torch's formulas."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Shapes = list[torch.Size]


class CountingMode(TorchDispatchMode):
    """Adds up the multiply-adds of all operations within it, those of autograd included.

    The formulas are those of `torch.utils.flop_counter`: matrix products and convolutions,
    forwards and backwards; what acts on single values is not counted, nor are decompositions.

    Attributes:
        macs: So far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Called by torch for every operation."""
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.macs += formula(*args, **(kwargs or {}), out_val=result) // 2
        return result


class TrainingMacs(SupervisedPlugin):  # type: ignore[misc]
    """Multiply-adds of training, for whatever network trains.

    What a plugin computes between Avalanche's `before_forward` and `after_backward` counts as
    part of the batch: old images, a teacher's outputs, gradients on a memory. Batches are
    counted at the beginning of an experience and after each change of a shape, then at twice,
    four times ... as many, since a memory may have filled up; those between take as many for
    an image. What is computed elsewhere is counted apart (`beside_training`).

    Attributes:
        total: In batches, since the last `taken`.
        beside: Beside them, likewise.
    """

    STATE = ("total", "beside", "_shapes", "_per_image", "_n_batches", "_noted")

    def __init__(self) -> None:
        super().__init__()
        self.total = self.beside = 0
        self._shapes: Shapes = []
        self._per_image = self._n_batches = 0  # since the shapes changed
        self._noted: dict[str, tuple[Shapes, int, int]] = {}
        self._mode: CountingMode | None = None

    def taken(self) -> tuple[int, int]:
        """What was counted in batches and beside them; counting starts anew."""
        counts = self.total, self.beside
        self.total = self.beside = 0
        return counts

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        """Passes may be others now in the same shapes: layers are frozen, losses added."""
        self._shapes, self._noted = [], {}

    def before_forward(self, strategy: Any, **_: Any) -> None:
        """Count this batch if the network is not what it was, or it is time again."""
        shapes = _shapes_of(strategy)
        self._n_batches = self._n_batches + 1 if shapes == self._shapes else 1
        self._shapes = shapes
        if self._n_batches & (self._n_batches - 1) == 0:
            self._mode = CountingMode()
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add what this batch took."""
        n_images = len(strategy.mb_x)
        if self._mode is not None:
            self._per_image = self._mode.macs // n_images
            self.stop()
        self.total += self._per_image * n_images

    @contextmanager
    def apart(self, strategy: Any, what: str, n: int) -> Iterator[None]:
        """Add what is computed meanwhile to `beside`; see `beside_training`."""
        shapes = _shapes_of(strategy)
        noted = self._noted.get(what)
        if noted is not None and noted[0] == shapes:
            yield
        else:
            with CountingMode() as mode:
                yield
            noted = self._noted[what] = shapes, mode.macs, n
        _, macs, n_then = noted
        self.beside += macs * n // n_then

    def stop(self) -> None:
        """Count no further; a mode that a failed batch left on would see all of torch."""
        if self._mode is not None:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._mode = None


@contextmanager
def beside_training(strategy: Any, what: str, n: int = 1) -> Iterator[None]:
    """Count passes that a plugin makes beside the batches of training, if anybody counts.

    Not between `before_forward` and `after_backward`, where everything is counted anyway.

    Args:
        strategy: Avalanche's; without `TrainingMacs` among its plugins nothing is done.
        what: Name of the passes. They are counted once in an experience, and again when a
            shape has changed; later ones of that name take as many for each of n.
        n: Images, where the passes are over more or fewer; else 1.

    Example:
        >>> from types import SimpleNamespace
        >>> counter, layer = TrainingMacs(), nn.Linear(6, 5)
        >>> optimizer = torch.optim.SGD(layer.parameters())
        >>> strategy = SimpleNamespace(plugins=[counter], optimizer=optimizer)
        >>> with beside_training(strategy, "importances", n=2):
        ...     output = layer(torch.zeros(2, 6))
        >>> counter.beside
        60
    """
    plugins = getattr(strategy, "plugins", ())
    counter = next((one for one in plugins if isinstance(one, TrainingMacs)), None)
    if counter is None:
        yield
        return
    with counter.apart(strategy, what, n):
        yield


def _shapes_of(strategy: Any) -> Shapes:
    """Of what is trained: the optimizer lists it, where a walk over modules is slow."""
    groups = strategy.optimizer.param_groups
    return [parameter.shape for group in groups for parameter in group["params"]]


def training_macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-adds of one image's forward and backward pass.

    Args:
        network: Gives logits (N, classes); it is copied, not trained.
        input_shape: Of one image.

    Example:
        >>> training_macs(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), (6,))
        110
    """
    network = copy.deepcopy(network).train()
    images = torch.zeros(2, *input_shape)  # batch norm does not train on one
    mode = CountingMode()
    with torch.random.fork_rng(devices=[]), mode:
        logits: Tensor = network(images)
        functional.cross_entropy(logits, torch.zeros(2, dtype=torch.long)).backward()
    return mode.macs // 2
