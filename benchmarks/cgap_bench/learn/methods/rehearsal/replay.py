"""Experience replay: every batch is joined by images of old experiences."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from avalanche.models import avalanche_forward
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional

from cgap_bench.learn.methods.rehearsal.memory import (
    BalancedMemory,
    Examples,
    Reservoir,
    examples,
    rows_by_class,
)


class Replay(SupervisedPlugin):  # type: ignore[misc]
    """As many old images as asked for in each batch, from a memory balanced over classes.

    Hsu et al. 2018 call it naive rehearsal; they interleave old and new images of one epoch,
    here each batch has both. The memory holds images as the dataset has them.

    Args:
        memory: What is kept.
        batch_size: Old images that join a batch; None: as many as there are new ones.
        augment: What is done to old images (N, ...) when they are used again.
    """

    def __init__(
        self,
        memory: BalancedMemory,
        batch_size: int | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.memory, self._batch_size, self._augment = memory, batch_size, augment

    def old_images(self, n: int) -> Examples | None:
        """What joins so many new ones, as it was kept; None: there is nothing yet."""
        return self.memory.draw(self._batch_size or n) if len(self.memory) else None

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Old images join the batch."""
        old = self.old_images(len(strategy.mb_y))
        if old is None:
            return
        x = old.x if self._augment is None else self._augment(old.x)
        new = strategy.mbatch
        joined = [torch.cat(pair) for pair in zip(new, (x, old.y, old.labels), strict=True)]
        strategy.mbatch = joined

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Keep images of the experience that ends."""
        self.memory.add(strategy.experience.dataset, strategy.device)

    def state_dict(self) -> dict[str, Any]:
        """The memory's."""
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.memory.load_state_dict(state)


class SeenClasses(SupervisedPlugin):  # type: ignore[misc]
    """The loss of one head is over the classes seen so far, as where a head grows with them."""

    STATE = ("_seen",)

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[int] = set()

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """The classes of the experience join."""
        self._seen |= {int(y) for _, y in rows_by_class(strategy.experience.dataset)}

    def after_forward(self, strategy: Any, **_: Any) -> None:
        """A softmax gives the others no share, and they get no gradient."""
        seen = torch.tensor(sorted(self._seen), device=strategy.mb_output.device)
        others = torch.ones_like(strategy.mb_output, dtype=torch.bool).index_fill(
            1, seen, False
        )
        strategy.mb_output = strategy.mb_output.masked_fill(others, -torch.inf)


class DarkExperience(SupervisedPlugin):  # type: ignore[misc]
    """DER++ (Buzzega et al. 2020, algorithm 2): old outputs are matched, old targets learnt.

    The loss gets alpha * mean squared difference of logits on one batch of the memory and
    beta * cross-entropy on another. The memory is a reservoir of images and of the logits that
    the network had when it saw them, so heads must keep their width. Images are kept as they
    were seen, augmented.

    Args:
        memory: What is kept.
        alpha: Weight of the outputs.
        beta: Weight of the targets.
        batch_size: Old images of each of the two batches; None: as many as there are new ones.
    """

    def __init__(
        self,
        memory: Reservoir,
        alpha: float = 0.5,
        beta: float = 0.5,
        batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self.memory, self._alpha, self._beta = memory, alpha, beta
        self._batch_size = batch_size

    def old_images(self, n: int) -> Examples | None:
        """Of one of the two batches for so many new ones; None: there is nothing yet."""
        return self.memory.draw(self._batch_size or n) if len(self.memory) else None

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add both terms."""
        n = self._batch_size or len(strategy.mb_y)
        if len(self.memory) == 0:
            return
        matched, learnt = self.memory.draw(n), self.memory.draw(n)
        outputs = _outputs(strategy.model, matched)
        difference = functional.mse_loss(outputs, matched.logits)
        loss = functional.cross_entropy(_outputs(strategy.model, learnt), learnt.y)
        strategy.loss = strategy.loss + self._alpha * difference + self._beta * loss

    def after_update(self, strategy: Any, **_: Any) -> None:
        """The reservoir sees the batch, with the outputs of before the step."""
        self.memory.see(examples(strategy.mbatch, logits=strategy.mb_output))

    def state_dict(self) -> dict[str, Any]:
        """The memory's."""
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.memory.load_state_dict(state)


def _outputs(model: nn.Module, old: Examples) -> Tensor:
    logits: Tensor = avalanche_forward(model, old.x, old.labels)
    return logits
