"""Batches of several tasks: every row runs through the network of its own task label."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from cgap_cl.network.head import PADDING


class Unlabelled(enum.Enum):
    """What the forward pass of a network gives where no task label is given."""

    ONLY_HEAD = "only head"  # the logits of the only head; an error if there are several
    ALL_HEADS = "all heads"  # Avalanche's convention: a dict, task label -> logits


def labels_in(
    x: Tensor, task_labels: int | Tensor | None, known: Sequence[int]
) -> list[int | None]:
    """The task labels of a batch, ascending, each once.

    Args:
        x: the batch, ``(N, ...)``.
        task_labels: one label, one per row ``(N,)``, or None.
        known: labels that have a head, ascending.

    Returns:
        ``[None]``, that is the column whatever its label, where nothing was trained yet and
        nothing is asked for.

    Raises:
        ValueError: not one label per row, or none given and several heads to choose from.
    """
    heads: list[int | None] = list(known) if known else [None]
    if isinstance(task_labels, Tensor) and task_labels.dim():
        if len(task_labels) != len(x):
            raise ValueError(f"{len(task_labels)} task labels for a batch of {len(x)}")
        given: list[int | None] = [int(label) for label in task_labels.unique().tolist()]
        return given or heads[:1]  # a batch without rows has logits all the same
    if task_labels is not None:
        return [int(task_labels)]
    if len(known) > 1:
        raise ValueError(
            f"give task_labels (or use subnetwork(task)): there are heads for tasks {known}"
        )
    return heads


def by_label(x: Tensor, task_labels: Tensor, run: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Logits of a batch of several tasks, in the order of its rows.

    Args:
        x: the batch, ``(N, ...)``.
        task_labels: ``(N,)``.
        run: rows and their label -> logits.

    Returns:
        ``(N, classes)``; classes that a task's head lacks are
        :data:`~cgap_cl.network.head.PADDING`.
    """
    labels = task_labels.unique().tolist()
    rows = [(task_labels == label).nonzero().flatten() for label in labels]
    parts = [
        run(x[index.to(x.device)], label) for index, label in zip(rows, labels, strict=True)
    ]

    width = max(part.shape[1] for part in parts)
    padded = [widened(part, width) for part in parts]
    order = torch.cat(rows).argsort().to(x.device)  # from label by label back to the batch's
    return torch.cat(padded).index_select(0, order)


def widened(logits: Tensor, n: int) -> Tensor:
    """Logits with at least ``n`` columns."""
    missing = n - logits.shape[1]
    return pad(logits, (0, missing), value=PADDING) if missing > 0 else logits


def finished(logits: Tensor, training: bool, n_outputs: int) -> Tensor:
    """Logits as a forward pass gives them.

    A training batch without rows of the present task can run backward, to no effect.

    Args:
        logits: ``(N, classes)``.
        training: whether the network is in training mode.
        n_outputs: columns that they have at least in evaluation.
    """
    if not training:
        return widened(logits, n_outputs)
    if torch.is_grad_enabled() and not logits.requires_grad:
        return logits + torch.zeros((), device=logits.device, requires_grad=True)
    return logits
