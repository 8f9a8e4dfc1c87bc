"""Composed modules: the plain networks that evaluation uses, kept while they cannot change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass(eq=False)
class Composed:
    """Two caches by task label; both hold until a block is added, merged or restored.

    Attributes:
        trained: subnetworks of merged blocks.
        untrained: what labels that were never trained are answered with.
    """

    trained: dict[int, nn.Module] = field(default_factory=dict)
    untrained: dict[int, nn.Module] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget all."""
        self.trained.clear()
        self.untrained.clear()


def kept(
    cache: dict[int, nn.Module], label: int, lasts: bool, make: Callable[[], nn.Module]
) -> nn.Module:
    """The cached module of a label, or a new one.

    Args:
        cache: by label.
        label: the label asked for.
        lasts: whether a new module may be kept: not while what it is made of still learns.
        make: gives a new one.
    """
    if label in cache:
        return cache[label]
    module = make()
    if lasts:
        cache[label] = module
    return module


@torch.no_grad()
def with_random_head(module: nn.Module, head: str, label: int) -> nn.Module:
    """Redraw a plain module's head, seeded by a label: chance level.

    Args:
        module: changed in place.
        head: name of its head.
        label: 0 or more.
    """
    generator = torch.Generator().manual_seed(label + 1)
    for parameter in module.get_submodule(head).parameters():
        bound = 1 / max(1, parameter[0].numel()) ** 0.5  # as torch draws a linear layer's
        values = torch.rand(parameter.shape, generator=generator) * 2 * bound - bound
        parameter.copy_(values.to(parameter))
    return module
