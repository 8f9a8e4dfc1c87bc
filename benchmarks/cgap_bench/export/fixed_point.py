"""A network in fixed-point words: what hardware computes, bit by bit, in torch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgap_bench.errors import UsageError
from cgap_bench.export.plain import NORMS

GUARD_BITS = 1  # values up to twice the largest seen do not wrap around
ROUNDINGS = 4  # steps that averages and sums may round otherwise than the layers here


@dataclass(frozen=True)
class FixedPoint:
    """Signed words; hardware rounds maps down (``ap_fixed<bits, integer>`` of AMD's tools).

    Attributes:
        integer: Bits before the point, the sign among them.
    """

    bits: int
    integer: int

    @property
    def step(self) -> float:
        """Between two neighbouring values.

        >>> FixedPoint(bits=16, integer=6).step
        0.0009765625
        """
        return float(2.0 ** (self.integer - self.bits))

    def floor(self, x: Tensor) -> Tensor:
        """The next value at or below; too large ones are not wrapped."""
        return torch.floor(x / self.step) * self.step

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest value: for weights, which are rounded once and at leisure."""
        return torch.round(x / self.step) * self.step


@torch.no_grad()
def words_for(graph: fx.GraphModule, images: Tensor, bits: int) -> FixedPoint:
    """Words that hold every weight and every map of some images, and as much again.

    Raises:
        UsageError: So few bits leave none behind the point.
    """
    largest = _Largest(graph)
    largest.run(images)
    weights = [p.abs().max().item() for p in graph.parameters()]
    most = max(largest.value, *weights)
    integer = 1 + GUARD_BITS + max(0, math.floor(math.log2(max(most, 1e-9))) + 1)
    if bits <= integer:
        raise UsageError(
            f"values up to {most:.3g} need more than {integer} bits a word, got {bits}"
        )
    return FixedPoint(bits, integer)


@torch.no_grad()
def in_words(graph: fx.GraphModule, words: FixedPoint, images: Tensor) -> Tensor:
    """Outputs of a network whose weights and maps are words; sums inside a layer are exact.

    Args:
        graph: From `cgap_bench.export.plain.plain`.
        words: Of every weight and every map.
        images: ``(N, ...)``.
    """
    result: Tensor = _EveryMap(rounded(graph, words), words.floor).run(images.double())
    return result


@torch.no_grad()
def rounded(graph: fx.GraphModule, words: FixedPoint) -> fx.GraphModule:
    """A copy whose weights are words, in float64; a norm is a product and a sum of them."""
    copied = copy.deepcopy(graph).double()
    for module in copied.modules():
        if isinstance(module, NORMS):
            _as_scale_and_shift(module)
    for parameter in copied.parameters():
        parameter.copy_(words.nearest(parameter))
    return copied


@dataclass(frozen=True)
class Emulation:
    """A written file or project, and how it answers to the images that it was tried on.

    Attributes:
        path: What was written.
        words: Of every weight and every map.
        n_images: How many were emulated.
        conversion_error: Largest difference of an output between the emulation and the same
            network in the same words: what the conversion did.
        rounding_error: Largest difference between the emulation and the network itself.
    """

    path: Path
    words: FixedPoint
    n_images: int
    conversion_error: float
    rounding_error: float


@torch.no_grad()
def compared(
    graph: fx.GraphModule, words: FixedPoint, images: Tensor, answers: Tensor, path: Path
) -> Emulation:
    """What a tool computed beside what it should have.

    Args:
        graph: From `cgap_bench.export.plain.plain`.
        words: Of every weight and every map.
        images: ``(N, ...)``, that the tool was given.
        answers: ``(N, classes)``, of the tool.
        path: What was written.

    Raises:
        UsageError: The tool computes something else.
    """
    expected, exact = in_words(graph, words, images), graph(images.cpu())
    found = Emulation(
        path=path,
        words=words,
        n_images=len(images),
        conversion_error=(answers - expected).abs().max().item(),
        rounding_error=(answers - exact).abs().max().item(),
    )
    if not found.conversion_error <= ROUNDINGS * words.step:
        raise UsageError(
            f"{path} does not compute this network: it is off by"
            f" {found.conversion_error:.3g}, a step is {words.step:.3g}"
        )
    return found


class _EveryMap(fx.Interpreter):
    """Runs a graph and passes every map through a function."""

    def __init__(self, graph: fx.GraphModule, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(graph)
        self.change = change

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        return self.change(result) if isinstance(result, Tensor) else result


class _Largest(_EveryMap):
    """Runs a graph and remembers the largest magnitude of any map."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, self._see)
        self.value = 0.0

    def _see(self, x: Tensor) -> Tensor:
        self.value = max(self.value, x.abs().max().item())
        return x


def _as_scale_and_shift(norm: nn.Module) -> None:
    """A batch norm on its own as hardware has it: one product and one sum."""
    assert isinstance(norm, NORMS)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    shift = shift if norm.bias is None else shift + norm.bias
    norm.weight, norm.bias = nn.Parameter(scale), nn.Parameter(shift)
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.eps = 0.0
