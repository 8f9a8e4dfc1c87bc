"""Layer shapes from sizes: what torch's functions and the operators of ONNX have in common."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

LayerJSON: TypeAlias = dict[str, Any]  # the fields of a `cgap_hw.LayerShape`
Size: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]


class Extent(NamedTuple):
    """A map: items of a batch, channels, height and width."""

    items: int
    channels: int
    height: int
    width: int


def extent(size: Sequence[int]) -> Extent:
    """Of a tensor (items, channels, ...): what is deeper than rows lies along the width.

    >>> extent((1, 8, 5, 4))
    Extent(items=1, channels=8, height=5, width=4)
    >>> extent((2, 8, 5, 4, 3)).width
    12
    """
    items, channels, *area = size if len(size) > 1 else (1, *size, 1)[:2]
    return Extent(items, channels, area[0] if area else 1, prod(area[1:]))


def between(kind: str, name: str, read: Sequence[int], written: Sequence[int]) -> LayerJSON:
    """A layer of a kind, between maps of two sizes; window, groups and bias of a plain pass."""
    x, y = extent(read), extent(written)
    sizes = {"n_in": x.channels, "n_out": y.channels}
    area = {"in_h": x.height, "in_w": x.width, "out_h": y.height, "out_w": y.width}
    others = {"groups": 1, "pool_kind": None, "bias": False}
    # Only where there are several, so that older records keep their hashes.
    batch = {"batch": y.items} if y.items > 1 else {}
    plain = window((1, 1), (1, 1), (0, 0))
    return {"name": name, "kind": kind} | sizes | area | plain | others | batch


def window(kernel: Pair, stride: Pair, padding: Pair) -> LayerJSON:
    """Kernel, stride and the padding on top and on the left."""
    values = zip(("kernel", "stride", "padding"), (kernel, stride, padding), strict=True)
    return {
        f"{key}_{axis}": int(n)
        for key, pair in values
        for axis, n in zip("hw", pair, strict=True)
    }


def weighted(
    name: str, positions: Sequence[int], depth: int, columns: int, *, bias: bool = False
) -> LayerJSON:
    """A linear layer; applied to many positions (channels last) it is a 1 x 1 convolution.

    Args:
        name: Of the layer.
        positions: All dimensions but the last of what is read.
        depth: Input channels.
        columns: Output channels.
        bias: Whether one is added.

    >>> layer = weighted("tokens", (4, 50), 96, 192)
    >>> layer["kind"], layer["out_h"], layer["out_w"]
    ('conv', 4, 50)
    """
    kind = "linear" if prod(positions) == 1 else "conv"
    size = (1, depth, *_area(positions))
    out = (1, columns, *_area(positions))
    return between(kind, name, size, out) | {"bias": bias}


def weighted_apart(name: str, count: int, rows: int, depth: int, columns: int) -> LayerJSON:
    """As many products as there are matrices of weights: groups of a 1 x 1 convolution."""
    layer = weighted(name, (rows,), count * depth, count * columns)
    return layer | {"kind": "conv", "groups": count}


def products(
    name: str, count: int, rows: int, depth: int, columns: int, *, n_stored: int = 0
) -> LayerJSON:
    """Products of matrices (rows, depth) and (depth, columns), both read as they go."""
    size, out = (1, count * depth, rows), (1, count * columns, rows)
    stored = {"n_stored": n_stored} if n_stored else {}
    return between("matmul", name, size, out) | {"groups": count} | stored


def recurrent(name: str, steps: int, items: int, weights: Sequence[Size]) -> list[LayerJSON]:
    """One direction of a recurrent layer: its input for all steps at once, then step by step.

    Args:
        name: Of the layer.
        steps: Length of the sequence.
        items: Sequences of the batch.
        weights: (rows, depth) of the weights for the input, for the state, and for the
            projection of the state if there is one. The latter two are read in every step.
    """
    (rows, depth), *every_step = weights
    layers = [weighted(name, (items, steps), depth, rows, bias=True)]
    for out, inside in every_step:
        layers.append(products(name, steps, items, inside, out, n_stored=inside * out))
    return layers


def transposed(
    name: str, size: Size, n_out: int, kernel: Pair, stride: Pair | None, groups: int
) -> LayerJSON:
    """A transposed convolution at its input's positions, each of which writes many pixels.

    Where the stride divides the kernel, the output interleaves stride x stride convolutions
    with windows of kernel / stride; else each position's kernel x kernel products are written
    and added where they overlap. So too without a stride (a dilated kernel).

    >>> layer = transposed("up", (1, 8, 10, 10), 4, (2, 2), (2, 2), 1)
    >>> layer["n_out"], layer["out_h"], layer["kernel_h"]
    (16, 10, 1)
    """
    parts, taps = kernel, (1, 1)
    if stride and kernel[0] % stride[0] == kernel[1] % stride[1] == 0:
        parts, taps = stride, (kernel[0] // stride[0], kernel[1] // stride[1])
    items, _, *area = size
    out = (items, n_out * parts[0] * parts[1], *area)
    seen = window(taps, (1, 1), ((taps[0] - 1) // 2, (taps[1] - 1) // 2))
    return between("conv", name, size, out) | seen | {"groups": groups}


def pool(
    name: str, kind: str, read: Size, written: Size, seen: tuple[Pair, Pair, Pair]
) -> LayerJSON:
    """A pool; ``seen`` is kernel, stride and padding."""
    return between("pool", name, read, written) | window(*seen) | {"pool_kind": kind}


def reduction(name: str, kind: str, size: Size, axes: Sequence[int]) -> LayerJSON:
    """Mean, sum or greatest value over some axes: a global pool if they are the image's.

    Else it is a pool over one channel, whose rows are what is reduced.

    >>> layer = reduction("gate", "avg", (1, 16, 8, 8), [1])
    >>> [layer[key] for key in ("n_in", "in_h", "in_w", "out_h", "out_w", "kernel_h")]
    [1, 16, 64, 1, 64, 16]
    """
    over = sorted({axis % len(size) for axis in axes} or set(range(len(size))))
    if len(size) > 2 and over == list(range(2, len(size))):
        _, _, height, width = extent(size)
        both = (height, width)
        return pool(name, kind, size, size[:2], (both, both, (0, 0)))
    n = prod(size[axis] for axis in over)
    kept = prod(size) // n
    return pool(name, kind, (1, 1, n, kept), (1, 1, 1, kept), ((n, 1), (n, 1), (0, 0)))


def axes(value: Any, n: int, second: int) -> Pair:
    """A setting along both axes: one number for both, or one each.

    Where a map has one axis only, it lies along the rows, and the other has a value of its own.

    >>> axes(3, 2, 1), axes([3, 5], 2, 1), axes([3], 1, 1)
    ((3, 3), (3, 5), (3, 1))
    """
    numbers = list(value) if isinstance(value, (tuple, list)) else [value]
    return (int(numbers[0]), int(numbers[-1]) if n > 1 else second)


def _area(positions: Sequence[int]) -> Size:
    """Height and width of many positions: the first that is not 1, and all others."""
    several = [n for n in positions if n != 1] or [1]
    return (several[0], prod(several[1:]))
