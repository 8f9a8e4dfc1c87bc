"""Values of newborn units: how they read (fan-in) and how they are read (fan-out).

A newborn begins as a copy of its parent in every tensor that they share. A
:class:`NewbornValues` then changes the copy's incoming weights, and its :class:`FanOut` rule
sets the outgoing weights of copy and parent. Both rules keep the network's function.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class FanOut(enum.Enum):
    """What later layers see of a newborn."""

    HALVES = "halves"  # parent and newborns share the parent's outgoing weights
    ZERO = "zero"  # newborns are not read yet


class NewbornValues(Protocol):
    """Sets the values of newborns; see the classes below."""

    @property
    def fan_out(self) -> FanOut:
        """What later layers see of a newborn."""
        ...

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Incoming weights of newborns.

        Args:
            copies: the parents' weights, ``(newborns, in, ...)``.
            layer: all weights of the layer before the change, ``(out, in, ...)``.
            generator: on the CPU; the only source of randomness.

        Returns:
            The newborns' weights, shaped like ``copies``.
        """
        ...


@dataclass(frozen=True)
class Random:
    """Normal weights with the layer's standard deviation (after Yuan et al. 2023)."""

    fan_out: FanOut = FanOut.ZERO

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Fresh normal weights."""
        return float(layer.std(unbiased=False)) * _normal(copies, generator)


@dataclass(frozen=True)
class Split:
    """Copy of the parent plus normal noise of ``noise`` times the parent's root mean square.

    With ``noise=0`` this is Net2Wider (Chen, Goodfellow, Shlens 2016, section 2.3.1).
    """

    noise: float = 0.1
    fan_out: FanOut = FanOut.HALVES

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise ValueError(f"noise cannot be negative, not {self.noise}")

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Parent plus scaled noise."""
        if not self.noise:
            return copies
        scale = copies.square().flatten(1).mean(1).sqrt()
        return copies + self.noise * scale.view(-1, *[1] * (copies.dim() - 1)) * _normal(
            copies, generator
        )


DEFAULT_NEWBORN: NewbornValues = Random()


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)


def outgoing(weight: Tensor, multiplicity: Tensor, newborn: Tensor, rule: FanOut) -> Tensor:
    """Apply a fan-out rule to the input axis of a consumer.

    Args:
        weight: the consumer's weights with copied columns, ``(out, in, ...)``.
        multiplicity: ``(in,)``, how many columns share their source.
        newborn: ``(in,)`` bool.
        rule: the rule.

    Returns:
        The weights, shaped like ``weight``.
    """
    shape = (1, -1, *[1] * (weight.dim() - 2))
    if rule is FanOut.HALVES:
        return weight / multiplicity.to(weight).view(shape)
    return weight.masked_fill(newborn.to(weight.device).view(shape), 0.0)
