"""How large a network is, and how wide it must be to have a size."""

from collections.abc import Callable
from enum import StrEnum

from torch import nn


class Size(StrEnum):
    """What a network that is sized by another has in common with it."""

    MACS = "macs"  # of one inference
    PARAMETERS = "parameters"  # stored for all tasks


def n_parameters(module: nn.Module) -> int:
    """Number of weights, biases and batch norm scales and shifts."""
    return sum(parameter.numel() for parameter in module.parameters())


def width_for(target: float, cost: Callable[[float], float]) -> float:
    """The width multiplier in (0, 1] at which a non-decreasing cost is nearest to a target.

    Args:
        target: For instance the MACs of another network.
        cost: Width -> cost; a staircase, since units are whole.
    """
    if cost(1.0) <= target:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-4:  # finer than one unit in 2048
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= target else (low, middle)
    below = low or high
    return below if target - cost(below) <= cost(high) - target else high
