"""A trained network as hardware with words of few bits computes it: simulated, not retrained.

Post-training quantisation. Weights are rounded per output channel, symmetrically; maps per
tensor, between the least and the greatest value met on calibration images. What the cost model
moves is rounded, no more: a layer accumulates in full, with batch norm behind it folded and its
activation applied, and the result is rounded once; sums and average pools read rounded maps.
(Folding needs no step of its own: with a scale per output channel, rounding the weights before
or after they are multiplied by the norm's factor is the same.)

Any module will do, for the functions called in a forward pass are watched, not the modules.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgap_bench.shapes import rules

N_CALIBRATION = 256  # images that the scales of maps are taken from
WEIGHTED = {"conv2d", "linear"}
MAX_POOLS = {"boolean_dispatch", "max_pool2d", "adaptive_max_pool2d"}
# Marks of a tensor: results of multiplication, still in the accumulators; maps that were not
# rounded yet; rounded maps.
MARK, FRESH, PLAIN, ROUNDED = "_quantise_mark", "fresh", "plain", "rounded"
STORED = "_quantise_stored"  # the rounded copy of a map, which all its readers share


class Quantised(nn.Module):
    """A network with 8-bit (or other) weights and maps, for evaluation; the network is kept.

    Args:
        network: In eval mode.
        images: Batches (N, C, H, W) that the scales of maps are taken from.
        bits: Of a word.
    """

    def __init__(self, network: nn.Module, images: Iterable[Tensor], bits: int = 8) -> None:
        super().__init__()
        self._network, self._bits = network, bits
        self._weights: dict[int, Tensor] = {}
        self._ranges: list[tuple[float, float]] = []
        seen = [self._ranges_of(batch) for batch in images]
        if not seen:
            raise ValueError("scales of maps need at least one batch of images")
        for site in zip(*seen, strict=True):
            self._ranges.append((min(low for low, _ in site), max(high for _, high in site)))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the network returns, logits in full."""
        with _Rounding(_Words(self._bits, self._weights, iter(self._ranges))):
            logits = self._network(_marked(x.detach().view_as(x), PLAIN))
        return torch.as_tensor(logits)

    @torch.no_grad()
    def _ranges_of(self, x: Tensor) -> list[tuple[float, float]]:
        """Least and greatest value of every map, zero among them, in float arithmetic."""
        watched = _Watched()
        with _Rounding(watched):
            self._network(_marked(x.detach().view_as(x), PLAIN))
        return watched.ranges


def thinned(batches: Iterable[Tensor], n: int) -> list[Tensor]:
    """`N_CALIBRATION` images or a few more, evenly out of batches of n in all; one batch."""
    step = max(1, n // N_CALIBRATION)
    return [torch.cat([batch[::step] for batch in batches])]


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
        self, bits: int, weights: dict[int, Tensor], ranges: Iterator[tuple[float, float]]
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
        if id(weight) not in self._weights:
            self._weights[id(weight)] = self._rounded(weight)
        return self._weights[id(weight)]

    def _rounded(self, weight: Tensor) -> Tensor:
        """(out, ...) with a scale for every output channel."""
        top = 2 ** (self._bits - 1) - 1
        size = weight.detach().flatten(1).abs().amax(1)
        scale = torch.where(size > 0, size / top, 1.0)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -top, top)


class _Rounding(TorchFunctionMode):
    """Rounds what the functions of one forward pass read and write."""

    def __init__(self, words: _Watched | _Words) -> None:
        super().__init__()
        self._words = words

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, more = func.__name__, kwargs or {}
        read = [x for x in rules.tensors([args, list(more.values())]) if _mark(x)]
        if not read or name == "__get__":
            return _handed_on(func(*args, **more), read)
        if name in WEIGHTED:
            return self._weighted(func, list(args), more)
        if name == "batch_norm" and _mark(read[0]) == FRESH:
            return _marked(func(*args, **more), FRESH)
        if name in rules.ACTIVATION_FUNCTIONS | {"leaky_relu", "elu", "prelu", "hardtanh"}:
            return self._activated(func(*args, **more))
        if name in rules.ADDRESSING:
            return _handed_on(func(*args, **more), read)
        return self._computed(name, func, args, more)

    def _weighted(self, func: Any, args: list[Any], more: dict[str, Any]) -> Tensor:
        """A convolution or linear layer."""
        if "weight" in more:
            args.insert(1, more.pop("weight"))
        args[:2] = [self._stored(args[0]), self._words.weight(args[1])]
        return _marked(func(*args, **more), FRESH)

    def _computed(self, name: str, func: Any, args: Any, more: dict[str, Any]) -> Any:
        """Something that reads maps: sums, pools, norms of their own."""
        marks = {_mark(x) for x in rules.tensors(args)} - {None}
        in_place = name.endswith("_") and (not name.endswith("__") or name[:3] == "__i")
        args = _mapped(args, lambda x: self._stored(x, in_place) if _mark(x) else x)
        result = func(*args, **more)
        kept = name in MAX_POOLS and marks == {ROUNDED}
        for y in rules.tensors(result):
            _marked(y, ROUNDED if kept else PLAIN)
        return result

    def _stored(self, x: Tensor, in_place: bool = False) -> Tensor:
        """A map as memory holds it."""
        if _mark(x) == ROUNDED:
            return x
        rounded = getattr(x, STORED, None)
        if rounded is None:
            rounded = _marked(self._words.map(x), ROUNDED)
        if in_place:
            return _marked(x.copy_(rounded), ROUNDED)
        setattr(x, STORED, rounded)
        return torch.as_tensor(rounded)

    def _activated(self, y: Tensor) -> Tensor:
        """The end of a fused layer; written over what the activation may have worked on."""
        return _marked(y.copy_(self._words.map(y)), ROUNDED)


def _mark(x: Tensor) -> str | None:
    return getattr(x, MARK, None)


def _marked(x: Tensor, mark: str) -> Tensor:
    vars(x).pop(STORED, None)
    setattr(x, MARK, mark)
    return x


def _handed_on(result: Any, read: list[Tensor]) -> Any:
    """Tensors that only lie elsewhere are as those they were made of, if these agree."""
    marks = {str(_mark(x)) for x in read}
    for y in rules.tensors(result) if read else ():
        _marked(y, next(iter(marks)) if len(marks) == 1 else PLAIN)
    return result


def _mapped(value: Any, change: Any) -> Any:
    """The same nested lists and tuples, every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        changed = [_mapped(item, change) for item in value]
        return changed if isinstance(value, list) else tuple(changed)
    return value
