"""Heads: the classes that their outputs stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

PADDING = -1e4  # logit of a class that a head does not have


def class_ids(classes: int | Sequence[int], older: Sequence[int] = ()) -> tuple[int, ...]:
    """The class of each output of a head, those of the head that it continues first.

    Args:
        classes: ids, or how many: 0, 1, ...
        older: of the head that it continues.

    Raises:
        ValueError: no class, or a negative id.

    >>> class_ids(3), class_ids([98, 99]), class_ids([4, 2], older=[0, 4])
    ((0, 1, 2), (98, 99), (0, 4, 2))
    """
    ids = range(classes) if isinstance(classes, int) else classes
    found = tuple(dict.fromkeys((*older, *(int(k) for k in ids))))
    if not found or min(found) < 0:
        raise ValueError(f"a head needs 1 class or more, ids from 0 on, not {classes}")
    return found


def by_class(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """Logits with the column of each class at its id, as a stream's targets count.

    A softmax gives the columns between no share: cross-entropy with hard targets, without label
    smoothing, is that of the head's own outputs.

    Args:
        logits: ``(N, len(classes))``, the outputs of a head.
        classes: the class of each.

    Returns:
        ``(N, largest id + 1)``; columns of no class are :data:`PADDING`.

    >>> by_class(torch.tensor([[1.0, 2.0]]), (3, 1)).tolist()
    [[-10000.0, 2.0, -10000.0, 1.0]]
    """
    if tuple(classes) == tuple(range(len(classes))):
        return logits
    columns = torch.tensor(classes, device=logits.device)
    padded = logits.new_full((len(logits), max(classes) + 1), PADDING)
    return padded.index_copy(1, columns, logits)
