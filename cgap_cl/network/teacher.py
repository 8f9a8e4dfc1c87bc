"""Distillation: a frozen block teaches the column: what it was at its peak, or before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cgap_cl.blocks.block import Block, Taps
from cgap_cl.blocks.structure import describe


class Teacher:
    """A frozen block that the column is compared with; no part of the network's state.

    The loss is the one of Hinton, Vinyals and Dean (2015), section 2: the square of the
    temperature times the Kullback-Leibler divergence of softened outputs.

    Args:
        block: a copy of the column, the teacher's own: ``copy_of(network.column)``.
        temperature: softens both outputs.
        weight: of what it says, against that of the classes.

    Attributes:
        loss: of the last training batch, summed over its rows of the present task; taken once.
    """

    def __init__(self, block: Block, temperature: float, weight: float) -> None:
        self.block = block.eval().requires_grad_(False)
        self.temperature = temperature
        self.weight = weight
        self.loss: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy of the teacher has no batch behind it."""
        return {**self.__dict__, "loss": None}

    def teach(self, x: Tensor, taps: Taps, logits: Tensor) -> None:
        """Compare the column's logits with its own.

        Args:
            x: rows of the present task, ``(N, ...)``.
            taps: of the blocks that the column reads; left as they are.
            logits: the column's, ``(N, classes)``.
        """
        with torch.no_grad():
            own = self.block.run(x, dict(taps)).float()
        n_known = own.shape[1]  # an older version of the task has no classes that came later
        soft, target = (
            functional.log_softmax(values[:, :n_known] / self.temperature, 1)
            for values in (logits.float(), own)
        )
        divergence = functional.kl_div(soft, target, reduction="sum", log_target=True)
        self.loss = self.temperature**2 * divergence

    def added(self, loss: Tensor, n_rows: int) -> Tensor:
        """A batch's loss with its own part, as long as a batch was compared.

        Args:
            loss: mean over the rows of the batch.
            n_rows: rows of the batch, those of older tasks included.
        """
        own = self.take()
        return loss if own is None else (1 - self.weight) * loss + self.weight * own / n_rows

    def take(self) -> Tensor | None:
        """The loss of the last batch, once."""
        loss, self.loss = self.loss, None
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Structure and tensors, loadable with ``weights_only=True``."""
        values = {name: value.clone() for name, value in self.block.state_dict().items()}
        return {
            "block": describe(self.block),
            "index": self.block.index,
            "values": values,
            "weight": self.weight,
        }
