"""What an experience of Avalanche says of itself: its task label and its classes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def task_label_of(experience: Any, others: Collection[int] = ()) -> int:
    """The one task label of an experience, of itself or else of the rows of its dataset.

    Validation and online streams keep labels in the rows alone. Avalanche's strategies then
    call the network without any, which serves as long as there is one task.

    Args:
        experience: the experience.
        others: labels that were trained before.

    Raises:
        ValueError: there is none, or more than one; or the network would not be told which.
    """
    labels = getattr(experience, "task_labels", None)
    if labels is None:
        rows = getattr(experience.dataset, "targets_task_labels", None)
        if rows is None:
            raise ValueError(
                "neither the experience nor its dataset has task labels: make the benchmark "
                "with them (targets_task_labels), then avalanche.benchmarks.with_task_labels"
            )
        labels = rows.uniques
        if others and not {int(label) for label in labels} == {*others}:
            raise ValueError(
                "the experience itself has no task_labels, so strategies do not hand them to "
                "the network, which has several tasks: decorate the stream with "
                "avalanche.benchmarks.with_task_labels"
            )

    found = sorted({int(label) for label in labels})
    if len(found) != 1:
        raise ValueError(f"an experience must have one task label, this one has {found}")
    return found[0]


def classes_of(experience: Any) -> list[int]:
    """The classes of an experience, also where the benchmark keeps no record of them."""
    known = getattr(experience, "classes_in_this_experience", None)
    if known is None:
        known = experience.dataset.targets.uniques
    return sorted(int(k) for k in known)
