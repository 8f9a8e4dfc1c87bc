"""A trained network as hardware with words of few bits computes it: simulated, not retrained.

Post-training quantisation. Weights are rounded per output channel, symmetrically; maps per
tensor, between the least and the greatest value met on calibration images. What the cost model
moves is rounded, no more: a layer accumulates in full, with batch norm behind it folded and its
activation applied, and the result is rounded once; sums and average pools read rounded maps.
(Folding needs no step of its own: with a scale per output channel, rounding the weights before
or after they are multiplied by the norm's factor is the same.)

Any module will do, for the functions called in a forward pass are watched, not the modules.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from cgap_bench.shapes.interpreter import Call, Interpreter, tensors
from cgap_bench.shapes.rules import Role, Rule

N_CALIBRATION = 256  # images that the scales of maps are taken from


class Quantised(nn.Module):
    """A network with 8-bit (or other) weights and maps, for evaluation; the network is kept.

    Args:
        network: In eval mode.
        images: Batches (N, C, H, W) that the scales of maps are taken from.
        bits: Of a word.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network, images = nn.Linear(4, 2).eval(), torch.randn(64, 4)
        >>> error = (Quantised(network, [images])(images) - network(images)).abs().max()
        >>> 0 < error < 0.02
        tensor(True)
    """

    def __init__(self, network: nn.Module, images: Iterable[Tensor], bits: int = 8) -> None:
        super().__init__()
        self._network, self._bits = network, bits
        self._weights = WeakTensorKeyDictionary()  # each parameter rounded once
        self._ranges: list[tuple[float, float]] = []
        seen = [self._ranges_of(batch) for batch in images]
        if not seen:
            raise ValueError("scales of maps need at least one batch of images")
        for site in zip(*seen, strict=True):
            self._ranges.append((min(low for low, _ in site), max(high for _, high in site)))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the network returns, logits in full."""
        words = _Words(self._bits, self._weights, iter(self._ranges))
        return torch.as_tensor(self._pass(x, words))

    @torch.no_grad()
    def _ranges_of(self, x: Tensor) -> list[tuple[float, float]]:
        """Least and greatest value of every map, zero among them, in float arithmetic."""
        watched = _Watched()
        self._pass(x, watched)
        return watched.ranges

    def _pass(self, x: Tensor, words: "_Watched | _Words") -> Any:
        x = x.detach().view_as(x)  # what is written over it in place is not the caller's
        rounding = _Rounding(words)
        rounding.put(x, _Map(_State.PLAIN))
        with rounding:
            return self._network(x)


def thinned(n: int, batch_size: int) -> list[int]:
    """Places of `N_CALIBRATION` images or a few more, evenly out of n, anew in each batch."""
    step = max(1, n // N_CALIBRATION)
    firsts = range(0, n, batch_size)
    return [
        place for first in firsts for place in range(first, min(first + batch_size, n), step)
    ]


class _Watched:
    """Writes down where maps lie; rounds nothing."""

    def __init__(self) -> None:
        self.ranges: list[tuple[float, float]] = []

    def map(self, x: Tensor) -> Tensor:
        low, high = torch.aminmax(x)
        self.ranges.append((min(float(low), 0.0), max(float(high), 0.0)))
        return x.view_as(x)  # marked apart from x, as a rounded copy is

    def weight(self, weight: Tensor) -> Tensor:
        return weight


class _Words:
    """Rounds maps to the ranges given, one after the other, and weights to their own."""

    def __init__(
        self,
        bits: int,
        weights: WeakTensorKeyDictionary,
        ranges: Iterator[tuple[float, float]],
    ) -> None:
        self._bits, self._weights, self._ranges = bits, weights, ranges

    def map(self, x: Tensor) -> Tensor:
        low, high = next(self._ranges)
        top = 2**self._bits - 1
        scale = (high - low) / top or 1.0
        zero = round(-low / scale)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, top)

    def weight(self, weight: Tensor) -> Tensor:
        if not isinstance(weight, nn.Parameter):
            return self._rounded(weight)
        if weight not in self._weights:
            self._weights[weight] = self._rounded(weight)
        return torch.as_tensor(self._weights[weight])

    def _rounded(self, weight: Tensor) -> Tensor:
        """(out, ...) with a scale for every output channel."""
        top = 2 ** (self._bits - 1) - 1
        size = weight.detach().flatten(1).abs().amax(1)
        scale = torch.where(size > 0, size / top, 1.0)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -top, top)


class _State(Enum):
    """What the values of a map are."""

    FRESH = auto()  # results of multiplication, still in the accumulators
    PLAIN = auto()  # not rounded yet
    ROUNDED = auto()


@dataclass
class _Map:
    """Note on a map: its state, and the rounded copy that all its readers share."""

    state: _State
    stored: Tensor | None = None


class _Rounding(Interpreter[_Map]):
    """Rounds what the functions of one forward pass read and write."""

    def __init__(self, words: _Watched | _Words) -> None:
        super().__init__()
        self._words = words

    def meet(self, call: Call, rule: Rule, maps: list[Tensor]) -> Any:
        if rule.role is Role.WEIGHTED:
            return self._weighted(call)
        if rule.role is Role.NORM and self._states(maps) == {_State.FRESH}:
            return self.put(call(), _Map(_State.FRESH))  # folded: more of the same sum
        if rule.role is Role.ACTIVATION:
            return self._activated(call())
        if rule.role in (Role.CHANNELS, Role.ADDRESSING):
            return self._handed_on(call(), maps)
        return self._computed(call, rule)

    def _weighted(self, call: Call) -> Tensor:
        """A convolution or linear layer."""
        arguments, options = list(call.arguments), dict(call.options)
        if "weight" in options:
            arguments.insert(1, options.pop("weight"))
        arguments[:2] = [self._stored(arguments[0]), self._words.weight(arguments[1])]
        return self.put(call.function(*arguments, **options), _Map(_State.FRESH))

    def _activated(self, y: Tensor) -> Tensor:
        """The end of a fused layer; written over what the activation may have worked on."""
        return self.put(y.copy_(self._words.map(y)), _Map(_State.ROUNDED))

    def _handed_on(self, result: Any, maps: list[Tensor]) -> Any:
        """Tensors that only lie elsewhere are as those they were made of, if these agree."""
        states = self._states(maps)
        state = states.pop() if len(states) == 1 else _State.PLAIN
        for y in tensors(result):
            self.put(y, _Map(state))
        return result

    def _computed(self, call: Call, rule: Rule) -> Any:
        """Something that reads maps: sums, pools, norms of their own."""
        states = self._states(tensors(call.arguments))
        kept = rule.role is Role.SELECTION and states == {_State.ROUNDED}

        def stored(x: Tensor) -> Tensor:
            return x if self.note(x) is None else self._stored(x, call.in_place)

        result = call.function(*_mapped(call.arguments, stored), **call.options)
        for y in tensors(result):
            self.put(y, _Map(_State.ROUNDED if kept else _State.PLAIN))
        return result

    def _stored(self, x: Tensor, in_place: bool = False) -> Tensor:
        """A map as memory holds it."""
        note = self.note(x)
        if note is None or note.state is _State.ROUNDED:
            return x
        if note.stored is None:
            note.stored = self.put(self._words.map(x), _Map(_State.ROUNDED))
        if in_place:
            return self.put(x.copy_(note.stored), _Map(_State.ROUNDED))
        return note.stored

    def _states(self, maps: Iterable[Tensor]) -> set[_State]:
        return {note.state for note in map(self.note, maps) if note is not None}


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nested lists and tuples, every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        changed = [_mapped(item, change) for item in value]
        return changed if isinstance(value, list) else tuple(changed)
    return value
