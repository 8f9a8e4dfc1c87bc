"""Which classes, and which view of the images, each experience has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.record.configuration import Cut, StreamSettings


@dataclass(frozen=True)
class Part:
    """What one experience is made of.

    Attributes:
        classes: In the numbering of the dataset, in the order in which the network sees them.
        view: Which view of the images, 0 where there is only one.
        domain: Which images: of this domain; None: of all.
    """

    classes: tuple[int, ...]
    view: int = 0
    domain: int | None = None


def settled(settings: StreamSettings, seed: int) -> StreamSettings:
    """The same settings with the order that they come to in a run of this seed."""
    update: dict[str, Any] = {}
    if settings.order_by_seed:
        update |= {"order_by_seed": False, "order_seed": seed}
    if orders := settings.task_orders:
        update |= {"task_orders": (), "task_order": orders[seed % len(orders)]}
    return settings.model_copy(update=update)


def parts_of(data: ImageData, settings: StreamSettings) -> tuple[Part, ...]:
    """The experiences of a stream, in order.

    Args:
        data: The dataset.
        settings: How it is cut and ordered, `settled`.

    Raises:
        UsageError: The dataset cannot be cut so.
    """
    parts = _CUTS[settings.cut](data, settings)
    if settings.task_order:
        parts = [parts[place] for place in settings.task_order]
    return tuple(parts[: settings.first])


def _by_class(data: ImageData, settings: StreamSettings) -> list[Part]:
    n, n_classes = settings.n_experiences, data.n_classes
    if n_classes % n:
        raise UsageError(
            f"stream.n_experiences={n} does not divide the {n_classes} classes of"
            f" {settings.dataset}; use one of"
            f" {', '.join(str(k) for k in range(1, n_classes + 1) if n_classes % k == 0)}"
        )
    order: Sequence[int] = _shuffled(n_classes, settings.order_seed)
    if settings.class_order:
        order = settings.class_order
        if sorted(order) != list(range(n_classes)):
            raise UsageError(
                f"stream.class_order={list(order)} is no order of 0 to {n_classes - 1}"
            )
    size = n_classes // n
    return [Part(tuple(order[i * size : (i + 1) * size])) for i in range(n)]


def _by_group(data: ImageData, settings: StreamSettings) -> list[Part]:
    groups = data.groups
    _check_count(settings, len(groups), "groups of classes")
    return [Part(groups[place]) for place in _shuffled(len(groups), settings.order_seed)]


def _by_domain(data: ImageData, settings: StreamSettings) -> list[Part]:
    n = 0 if data.train_domains is None else int(data.train_domains.max()) + 1
    _check_count(settings, n, "domains")
    every = tuple(range(data.n_classes))
    return [Part(every, domain=place) for place in _shuffled(n, settings.order_seed)]


def _by_view(data: ImageData, settings: StreamSettings) -> list[Part]:
    every = tuple(range(data.n_classes))
    seed = (
        settings.order_seed if settings.cut is Cut.ROTATED else None
    )  # else it draws the pixels
    return [Part(every, view) for view in _shuffled(settings.n_experiences, seed)]


_CUTS = {
    Cut.CLASSES: _by_class,
    Cut.GROUPS: _by_group,
    Cut.DOMAINS: _by_domain,
    Cut.PERMUTED: _by_view,
    Cut.ROTATED: _by_view,
}


def _shuffled(n: int, seed: int | None) -> list[int]:
    """0 to n - 1, in order without a seed."""
    if seed is None:
        return list(range(n))
    order: list[int] = torch.randperm(n, generator=Generator().manual_seed(seed)).tolist()
    return order


def _check_count(settings: StreamSettings, n: int, what: str) -> None:
    if settings.n_experiences == n:
        return
    there = f"has {n} {what}" if n else f"has no {what} of its own"
    raise UsageError(
        f"{settings.dataset} {there}, stream.n_experiences={settings.n_experiences};"
        f" set it to their number, or stream.cut to another of {', '.join(Cut)}"
    )
