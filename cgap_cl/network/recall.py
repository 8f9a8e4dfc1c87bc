"""Recall: a label's block teaches the one that goes on from it the classes that it knows."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

TEMPERATURE = 2.0  # softens both outputs


class Recall:
    """The loss by which the column of a label that returns is held to the label's last block.

    It is the one of Hinton, Vinyals and Dean (2015), section 2: the square of the temperature
    times the Kullback-Leibler divergence of softened outputs.

    Args:
        index: of the block that teaches.
        weight: of what it says, against that of the classes.

    Attributes:
        loss: of the last training batch, summed over its rows of the present task; taken once.
    """

    def __init__(self, index: int, weight: float) -> None:
        self.index = index
        self.weight = weight
        self.loss: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no batch behind it."""
        return {**self.__dict__, "loss": None}

    def compare(self, logits: Tensor, taught: Tensor) -> None:
        """Note the loss of a batch.

        Args:
            logits: the column's, ``(N, classes)``.
            taught: of the block that teaches, ``(N, classes)``: the first of the column's.
        """
        n_known = taught.shape[1]
        soft, target = (
            functional.log_softmax(values[:, :n_known] / TEMPERATURE, 1)
            for values in (logits.float(), taught.float())
        )
        divergence = functional.kl_div(soft, target, reduction="sum", log_target=True)
        self.loss = TEMPERATURE**2 * divergence

    def added(self, loss: Tensor, n_rows: int) -> Tensor:
        """A batch's loss with its own part, as long as a batch was compared.

        Args:
            loss: mean over the rows of the batch.
            n_rows: rows of the batch, those of older tasks included.
        """
        own, self.loss = self.loss, None
        return loss if own is None else (1 - self.weight) * loss + self.weight * own / n_rows
