"""Has every class of every task the images that it is trained and scored with?"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.streams.orders import Part
from cgap_bench.record.configuration import Split, StreamSettings


def check_enough(
    data: ImageData,
    settings: StreamSettings,
    parts: Sequence[Part],
    kept: Sequence[Tensor],
    holdout_share: float,
) -> None:
    """See that no class of a task lacks images: it would pass for learnt, or not be asked for.

    Args:
        data: The dataset.
        settings: How it is cut.
        parts: The experiences.
        kept: Rows of the training images of each that are not held out.
        holdout_share: Share of the training images that is held out.

    Raises:
        UsageError: A class does; with its name, what it has, and what it needs.
    """
    trained = [_counts(data.train_targets[rows], data) for rows in kept]
    if any(part.domain is not None for part in parts):  # a session may lack a class, not all
        trained = [torch.stack(trained).sum(0)] * len(parts)
    there, tested = (_counts(t, data) for t in (data.train_targets, data.test_targets))
    if settings.n_train_per_class is not None:
        there = there.clamp(max=settings.n_train_per_class)
    for part, own in zip(parts, trained):
        for number in part.classes:
            has = f"has {own[number]} training and {tested[number]} test images"
            if not own[number] or not tested[number]:
                raise UsageError(
                    f"{_name(data, settings, number)} {has}; every class of a task needs at"
                    " least 1 of each"
                )
            held = holdout_share * float(there[number])
            if settings.score_on is Split.HELD_OUT and held < 1:
                raise UsageError(
                    f"{_name(data, settings, number)} {has}, scored on held-out ones: at"
                    f" training.holdout_share={holdout_share} a class needs at least"
                    f" {math.ceil(1 / holdout_share)} training images"
                )


def _counts(targets: Tensor, data: ImageData) -> Tensor:
    """Images of each class, (classes,)."""
    return torch.bincount(targets, minlength=data.n_classes)


def _name(data: ImageData, settings: StreamSettings, number: int) -> str:
    named = f" ({data.class_names[number]})" if data.class_names else ""
    return f"class {number}{named} of {settings.dataset}"
