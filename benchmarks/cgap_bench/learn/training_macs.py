"""What training costs: multiply-adds of forward and backward passes, by torch's formulas."""

import copy
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class CountingMode(TorchDispatchMode):
    """Adds up the multiply-adds of all operations within it, those of autograd included.

    The formulas are those of `torch.utils.flop_counter`: matrix products and convolutions,
    forwards and backwards; what acts on single values is not counted.

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

    Passes are counted in the first batch of an experience and after each change of a shape;
    other batches take as many for an image. What a plugin computes between Avalanche's
    `before_forward` and `after_backward` counts, what it computes elsewhere, a Fisher matrix
    say, does not.

    Attributes:
        total: Since the last `taken`.
    """

    STATE = ("total", "_shapes", "_per_image")

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self._shapes: list[torch.Size] = []
        self._per_image = 0
        self._mode: CountingMode | None = None

    def taken(self) -> int:
        """What was counted; counting starts anew."""
        total, self.total = self.total, 0
        return total

    def before_training_exp(self, *_: Any, **__: Any) -> None:
        """Passes may be others now in the same shapes: layers are frozen, losses added."""
        self._shapes = []

    def before_forward(self, strategy: Any, **_: Any) -> None:
        """Count this batch if the network is not what it was."""
        # what changes is trained; the optimizer lists it, where a walk over modules is slow
        groups = strategy.optimizer.param_groups
        shapes = [parameter.shape for group in groups for parameter in group["params"]]
        if shapes != self._shapes:
            self._shapes, self._mode = shapes, CountingMode()
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add what this batch took."""
        n_images = len(strategy.mb_x)
        if self._mode is not None:
            self._per_image = self._mode.macs // n_images
            self.stop()
        self.total += self._per_image * n_images

    def stop(self) -> None:
        """Count no further; a mode that a failed batch left on would see all of torch."""
        if self._mode is not None:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._mode = None


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
