"""Values of newborn units: how they read (fan-in) and how they are read (fan-out).

A newborn begins as a copy of its parent in every tensor that they share. A
:class:`NewbornValues` then changes the copy's incoming weights, and its :class:`FanOut` rule
sets the outgoing weights of copy and parent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from cgap_cl.blocks.block import Block
from cgap_cl.blocks.index_maps import UnitMap
from cgap_cl.blocks.observing import LastBatch


class FanOut(enum.Enum):
    """What later layers see of a newborn."""

    HALVES = "halves"  # parent and newborns share the parent's outgoing weights: function kept
    ZERO = "zero"  # newborns are not read yet: function kept whatever the fan-in
    RANDOM = "random"  # newborns are read with small random weights, parents as before


class NewbornValues(Protocol):
    """Sets the values of newborns; see the classes below and :mod:`cgap_cl.change.gradmax`."""

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


@runtime_checkable
class JointNewbornValues(NewbornValues, Protocol):
    """Values that are decided over all tensors of a unit together, from the last batch."""

    def observe(self, column: Block) -> LastBatch:
        """Begin to note what :meth:`prepare` reads."""
        ...

    def prepare(
        self,
        column: Block,
        units: Mapping[str, UnitMap],
        batch: LastBatch | None,
        generator: torch.Generator,
    ) -> Callable[[Block], None]:
        """Decide, before the change.

        Args:
            column: as it is before the change.
            units: what the change will do, per group.
            batch: what :meth:`observe` has noted; None: nobody watched.
            generator: on the CPU; the only source of randomness.

        Returns:
            What writes the values, called with the column after the change.
        """
        ...


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)


@dataclass(frozen=True)
class Split:
    """Copy of the parent plus normal noise of ``noise`` times the parent's root mean square.

    With ``noise=0`` and halves this is Net2Wider (Chen, Goodfellow, Shlens 2016, section
    2.3.1).
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


def net2wider() -> Split:
    """Exact copies and shared fan-out (Chen et al. 2016): alike until trained apart.

    >>> net2wider()
    Split(noise=0.0, fan_out=<FanOut.HALVES: 'halves'>)
    """
    return Split(noise=0.0, fan_out=FanOut.HALVES)


@dataclass(frozen=True)
class ScaledCopy:
    """``sigma * parent + U(-mu, mu)``: our reading of the published scheme, unconfirmed."""

    sigma: float = 0.5
    mu: float = 0.1
    fan_out: FanOut = FanOut.RANDOM

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled parent plus uniform noise."""
        uniform = torch.rand(copies.shape, generator=generator).to(copies) * 2 - 1
        return self.sigma * copies + self.mu * uniform


@dataclass(frozen=True)
class Random:
    """Normal weights with the layer's standard deviation (after Yuan et al. 2023)."""

    fan_out: FanOut = FanOut.ZERO

    def incoming(self, copies: Tensor, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Fresh normal weights."""
        return float(layer.std(unbiased=False)) * _normal(copies, generator)


DEFAULT_NEWBORN: NewbornValues = Random()


def outgoing(
    weight: Tensor,
    multiplicity: Tensor,
    newborn: Tensor,
    rule: FanOut,
    generator: torch.Generator,
) -> Tensor:
    """Apply a fan-out rule to the input axis of a consumer.

    Args:
        weight: the consumer's weights with copied columns, ``(out, in, ...)``.
        multiplicity: ``(in,)``, how many columns share their source.
        newborn: ``(in,)`` bool.
        rule: the rule.
        generator: on the CPU.

    Returns:
        The weights, shaped like ``weight``.
    """
    shape = (1, -1, *[1] * (weight.dim() - 2))
    born = newborn.to(weight.device).view(shape)
    if rule is FanOut.HALVES:
        return weight / multiplicity.to(weight).view(shape)
    if rule is FanOut.ZERO:
        return weight.masked_fill(born, 0.0)
    scale = 0.1 * float(weight.std(unbiased=False))
    return torch.where(born, scale * _normal(weight, generator), weight)
