"""Networks that published measurements were made on, as layer shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cgap_hw.errors import UnknownNameError
from cgap_hw.evidence.inception import inception_v1, inception_v2, inception_v3, inception_v4
from cgap_hw.layers.chain import Chain, Map
from cgap_hw.layers.shapes import LayerShape

VGG = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
RESNET = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def network(name: str) -> list[LayerShape]:
    """Layers of a network by name.

    Raises:
        UnknownNameError: Not a known name; the nearest is offered.
    """
    if name not in NETWORKS:
        raise UnknownNameError("network", name, NETWORKS)
    chain = Chain()
    NETWORKS[name](chain)
    return chain.layers


def zhang_alexnet(c: Chain) -> None:
    """One of two groups of AlexNet's convolutions, as Zhang et al. count it (5 layers)."""
    c.conv(Map(3, 227, 227), 48, 11, 4, same=False)
    c.conv(Map(48, 27, 27), 128, 5)
    c.conv(Map(256, 13, 13), 192, 3)
    c.conv(Map(192, 13, 13), 192, 3)
    c.conv(Map(192, 13, 13), 128, 3)


def vgg(c: Chain, depth: int) -> None:
    """VGG with its three linear layers."""
    x = Map(3, 224, 224)
    for n_convs, n_out in zip(VGG[depth], (64, 128, 256, 512, 512), strict=True):
        for _ in range(n_convs):
            x = c.conv(x, n_out, 3)
        x = c.pool(x, 2, 2)
    for width in (4096, 4096, 1000):
        x = c.linear(x, width)


def resnet(c: Chain, depth: int, *, late_stride: bool = True, size: int = 224) -> None:
    """ResNet; the stride of a bottleneck in its 3x3 (torchvision, v1.5) or first 1x1 (v1)."""
    x = c.pool(c.conv(Map(3, size, size), 64, 7, 2), 3, 2, pad=1)
    for stage, repeats in enumerate(RESNET[depth]):
        for i in range(repeats):
            stride = 2 if stage and not i else 1
            first, second = (1, stride) if late_stride else (stride, 1)
            if depth > 18:
                x = _bottleneck(c, x, 64 << stage, first, second)
            else:
                x = _basic_block(c, x, 64 << stage, stride)
    c.linear(c.average(x), 1000)


def _bottleneck(c: Chain, x: Map, width: int, first: int, second: int) -> Map:
    """1x1, 3x3, 1x1; strides of the first two."""
    y = c.conv(c.conv(x, width, 1, first), width, 3, second)
    y = c.conv(y, 4 * width, 1)
    return c.add(y, _skip(c, x, 4 * width, first * second))


def _basic_block(c: Chain, x: Map, width: int, stride: int) -> Map:
    """Two 3x3."""
    y = c.conv(c.conv(x, width, 3, stride), width, 3)
    return c.add(y, _skip(c, x, width, stride))


def _skip(c: Chain, x: Map, n_out: int, stride: int) -> Map:
    """The map itself, or a 1x1 where its size or its channels change."""
    return x if x.channels == n_out and stride == 1 else c.conv(x, n_out, 1, stride)


def resnet_slim(c: Chain, depth: int, size: int) -> None:
    """Slim's ResNet, v1 at 224 and v2 at 299 pixels: the stride at the end of a stage."""
    x = c.pool(c.conv(Map(3, size, size), 64, 7, 2), 3, 2, pad=1)
    for stage, repeats in enumerate(RESNET[depth]):
        width = 64 << stage
        for i in range(repeats):
            stride = 2 if stage < 3 and i == repeats - 1 else 1
            y = c.conv(c.conv(c.conv(x, width), width, 3, stride), 4 * width)
            if x.channels != 4 * width:
                skip = c.conv(x, 4 * width, 1, stride)
            else:
                skip = c.pool(x, 1, stride) if stride > 1 else x
            x = c.add(y, skip)
    c.linear(c.average(x), 1001)


def mobilenet_v1(c: Chain) -> None:
    """MobileNet v1, width 1."""
    x = c.conv(Map(3, 224, 224), 32, 3, 2)
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    for width, stride in [*widths, (1024, 2), (1024, 1)]:
        x = c.conv(c.conv(x, x.channels, 3, stride, groups=x.channels), width)
    c.linear(c.average(x), 1001)


def mobilenet_v2(c: Chain, width: float = 1.0) -> None:
    """MobileNet v2; channels rounded to multiples of 8."""

    def wide(n: int) -> int:
        rounded = max(8, int(n * width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * n * width else rounded

    x = c.conv(Map(3, 224, 224), wide(32), 3, 2)
    widths = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    for expand, n, repeats, first in [*widths, (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(repeats):
            stride, hidden = first if i == 0 else 1, x.channels * expand
            y = c.conv(x, hidden) if expand > 1 else x
            y = c.conv(c.conv(y, hidden, 3, stride, groups=hidden), wide(n))
            x = c.add(y, x) if stride == 1 and x.channels == wide(n) else y
    c.linear(c.average(c.conv(x, max(1280, wide(1280)))), 1001)


def squeezenet(c: Chain) -> None:
    """SqueezeNet 1.1."""
    x = c.pool(c.conv(Map(3, 224, 224), 64, 3, 2, same=False), 3, 2)
    for i, (squeeze, expand) in enumerate([(16, 64), (32, 128), (48, 192), (64, 256)]):
        for repeat in range(2):
            if i < 3 and i > 0 and not repeat:
                x = c.pool(x, 3, 2)
            s = c.conv(x, squeeze)
            x = c.concat(c.conv(s, expand), c.conv(s, expand, 3))
    c.average(c.conv(x, 1000))


def nin(c: Chain) -> None:
    """Network in network (Lin et al.), for ImageNet."""
    x = Map(3, 227, 227)
    widths = [(96, 11, 4, 96), (256, 5, 1, 256), (384, 3, 1, 384), (1024, 3, 1, 1000)]
    for i, (width, kernel, stride, last) in enumerate(widths):
        x = c.conv(x, width, kernel, stride, same=i > 0)
        x = c.conv(c.conv(x, width), last)
        x = c.pool(x, 3, 2) if i < 3 else c.average(x)


def yolo_v2(c: Chain, size: int = 448) -> None:
    """YOLOv2 for VOC (Darknet-19, pass-through layer, 125 outputs)."""
    x = Map(3, size, size)
    for widths in ((32,), (64,), (128, 64, 128), (256, 128, 256)):
        for i, width in enumerate(widths):
            x = c.conv(x, width, 1 if i % 2 else 3)
        x = c.pool(x, 2, 2)
    for i, width in enumerate((512, 256, 512, 256, 512)):
        x = c.conv(x, width, 1 if i % 2 else 3)
    fine = c.conv(x, 64)
    x = c.pool(x, 2, 2)
    for i, width in enumerate((1024, 512, 1024, 512, 1024, 1024, 1024)):
        x = c.conv(x, width, 3 if i in (0, 2, 4, 5, 6) else 1)
    folded = Map(4 * fine.channels, fine.height // 2, fine.width // 2, fine.sources)
    c.conv(c.conv(c.concat(folded, x), 1024, 3), 125)


def scaled(layers: Sequence[LayerShape], ops_ratio: float) -> list[LayerShape]:
    """A network narrowed uniformly until its MACs are a share of what they were.

    Channels between layers are scaled by one factor; the network's input and output stay, and
    so do maps that are added: pruners leave those alone (`cgap_hw.evidence.releases` shows it).
    """
    stay = _added(layers) | {max(i for i, layer in enumerate(layers) if layer.computes)}

    def narrowed(factor: float) -> list[LayerShape]:
        changed = []
        for i, layer in enumerate(layers):
            reads_wide = stay.issuperset(set(_sources(layers, i)) - {-1})
            n_in = layer.n_in if reads_wide else max(1, round(layer.n_in * factor))
            n_out = layer.n_out if i in stay else max(1, round(layer.n_out * factor))
            changed.append(layer.model_copy(update={"n_in": n_in, "n_out": n_out}))
        return changed

    goal, low, high = ops_ratio * sum(layer.macs for layer in layers), 0.01, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        above = sum(layer.macs for layer in narrowed(middle)) > goal
        low, high = (low, middle) if above else (middle, high)
    return narrowed(high)


def _sources(layers: Sequence[LayerShape], i: int) -> tuple[int, ...]:
    """The layers that a layer reads."""
    inputs = layers[i].inputs
    return (i - 1,) if inputs is None else inputs


def _added(layers: Sequence[LayerShape]) -> set[int]:
    """Layers whose maps are added to others, through pools, and the sums themselves."""
    found: set[int] = set()
    waiting = [i for i, layer in enumerate(layers) if layer.kind == "add"]
    while waiting:
        i = waiting.pop()
        if i < 0 or i in found:
            continue
        found.add(i)
        if not layers[i].computes:
            waiting += _sources(layers, i)

    for i, layer in enumerate(layers):  # what only passes them on is as wide
        if not layer.computes and found.issuperset(_sources(layers, i)):
            found.add(i)
    return found


NETWORKS: dict[str, Callable[[Chain], None]] = {
    "alexnet-zhang": zhang_alexnet,
    "inception_v1": inception_v1,
    "inception_v2": inception_v2,
    "inception_v2_dense": partial(inception_v2, separable=False),
    "inception_v3": inception_v3,
    "inception_v4": inception_v4,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_1.4": partial(mobilenet_v2, width=1.4),
    "nin": nin,
    "resnet18": partial(resnet, depth=18),
    "resnet50": partial(resnet, depth=50),
    "resnet50_v1": partial(resnet, depth=50, late_stride=False),
    "resnet50_slim": partial(resnet_slim, depth=50, size=224),
    "resnet101_slim": partial(resnet_slim, depth=101, size=224),
    "resnet152_slim": partial(resnet_slim, depth=152, size=224),
    "resnet152": partial(resnet, depth=152),
    "resnet50_v2_299": partial(resnet_slim, depth=50, size=299),
    "resnet101_v2_299": partial(resnet_slim, depth=101, size=299),
    "resnet152_v2_299": partial(resnet_slim, depth=152, size=299),
    "squeezenet": squeezenet,
    "vgg16": partial(vgg, depth=16),
    "vgg19": partial(vgg, depth=19),
    "yolov2": yolo_v2,
}
