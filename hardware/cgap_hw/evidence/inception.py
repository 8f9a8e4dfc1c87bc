"""The Inception networks as layer shapes (Szegedy et al.; Ioffe and Szegedy)."""

from __future__ import annotations

from cgap_hw.layers.chain import Chain, Map

Branches = tuple[int, tuple[int, int], tuple[int, int], int]


def inception_v1(c: Chain) -> None:
    """GoogLeNet."""
    x = c.pool(c.conv(Map(3, 224, 224), 64, 7, 2), 3, 2, pad=1)
    x = c.pool(c.conv(c.conv(x, 64), 192, 3), 3, 2, pad=1)
    modules: list[Branches | None] = [
        (64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64), None,
        (192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64), (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128), None,
        (256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128),
    ]  # fmt: skip

    for widths in modules:
        if widths is None:
            x = c.pool(x, 3, 2, pad=1)
            continue
        one, three, five, pooled = widths
        x = c.concat(
            c.conv(x, one),
            c.conv(c.conv(x, three[0]), three[1], 3),
            c.conv(c.conv(x, five[0]), five[1], 3),
            c.conv(c.pool(x, 3, 1, pad=1), pooled),
        )
    c.linear(c.average(x), 1001)


def inception_v2(c: Chain, *, separable: bool = True) -> None:
    """BN-Inception: two 3x3 in place of every 5x5, strided modules between stages.

    Its first layer as in Slim, depthwise (8 filters a channel) and then 1x1, or as first
    published and in Caffe, one dense convolution.
    """
    image = Map(3, 224, 224)
    thin = c.conv(image, 24, 7, 2, groups=3) if separable else None
    x = c.pool(c.conv(thin, 64) if thin else c.conv(image, 64, 7, 2), 3, 2, pad=1)
    x = c.pool(c.conv(c.conv(x, 64), 192, 3), 3, 2, pad=1)
    modules: list[Branches] = [
        (64, (64, 64), (64, 96), 32), (64, (64, 96), (64, 96), 64),
        (0, (128, 160), (64, 96), 0),
        (224, (64, 96), (96, 128), 128), (192, (96, 128), (96, 128), 128),
        (160, (128, 160), (128, 160), 96), (96, (128, 192), (160, 192), 96),
        (0, (128, 192), (192, 256), 0),
        (352, (192, 320), (160, 224), 128), (352, (192, 320), (192, 224), 128),
    ]  # fmt: skip

    for one, three, double, pooled in modules:
        stride = 1 if one else 2
        branches = [c.conv(x, one)] if one else []
        branches.append(c.conv(c.conv(x, three[0]), three[1], 3, stride))
        y = c.conv(c.conv(x, double[0]), double[1], 3)
        branches.append(c.conv(y, double[1], 3, stride))
        side = c.pool(x, 3, stride, pad=1)
        branches.append(c.conv(side, pooled) if pooled else side)
        x = c.concat(*branches)
    c.linear(c.average(x), 1001)


def inception_v3(c: Chain) -> None:
    """Inception v3 at 299 pixels."""
    x = c.conv(Map(3, 299, 299), 32, 3, 2, same=False)
    x = c.conv(c.conv(x, 32, 3, same=False), 64, 3)
    x = c.conv(c.conv(c.pool(x, 3, 2), 80), 192, 3, same=False)
    x = c.pool(x, 3, 2)

    for pooled in (32, 64, 64):
        five = c.conv(c.conv(x, 48), 64, 5)
        three = c.conv(c.conv(c.conv(x, 64), 96, 3), 96, 3)
        x = c.concat(c.conv(x, 64), five, three, c.conv(c.pool(x, 3, 1, pad=1), pooled))

    deep = c.conv(c.conv(c.conv(x, 64), 96, 3), 96, 3, 2, same=False)
    x = c.concat(c.conv(x, 384, 3, 2, same=False), deep, c.pool(x, 3, 2))

    for n in (128, 160, 160, 192):
        seven = c.conv(c.conv(c.conv(x, n), n, (1, 7)), 192, (7, 1))
        y = c.conv(c.conv(c.conv(x, n), n, (7, 1)), n, (1, 7))
        double = c.conv(c.conv(y, n, (7, 1)), 192, (1, 7))
        x = c.concat(c.conv(x, 192), seven, double, c.conv(c.pool(x, 3, 1, pad=1), 192))

    three = c.conv(c.conv(x, 192), 320, 3, 2, same=False)
    seven = c.conv(c.conv(c.conv(x, 192), 192, (1, 7)), 192, (7, 1))
    x = c.concat(three, c.conv(seven, 192, 3, 2, same=False), c.pool(x, 3, 2))

    for _ in range(2):
        y, z = c.conv(x, 384), c.conv(c.conv(x, 448), 384, 3)
        wide = [c.conv(m, 384, kernel) for m in (y, z) for kernel in ((1, 3), (3, 1))]
        x = c.concat(c.conv(x, 320), *wide, c.conv(c.pool(x, 3, 1, pad=1), 192))
    c.linear(c.average(x), 1001)


def inception_v4(c: Chain) -> None:
    """Inception v4 at 299 pixels."""
    x = _stem(c)

    for _ in range(4):
        three = c.conv(c.conv(x, 64), 96, 3)
        double = c.conv(c.conv(c.conv(x, 64), 96, 3), 96, 3)
        x = c.concat(c.conv(x, 96), three, double, c.conv(c.pool(x, 3, 1, pad=1), 96))

    deep = c.conv(c.conv(c.conv(x, 192), 224, 3), 256, 3, 2, same=False)
    x = c.concat(c.conv(x, 384, 3, 2, same=False), deep, c.pool(x, 3, 2))

    for _ in range(7):
        seven = c.conv(c.conv(c.conv(x, 192), 224, (1, 7)), 256, (7, 1))
        y = c.conv(c.conv(c.conv(x, 192), 192, (7, 1)), 224, (1, 7))
        double = c.conv(c.conv(y, 224, (7, 1)), 256, (1, 7))
        x = c.concat(c.conv(x, 384), seven, double, c.conv(c.pool(x, 3, 1, pad=1), 128))

    three = c.conv(c.conv(x, 192), 192, 3, 2, same=False)
    seven = c.conv(c.conv(c.conv(x, 256), 256, (1, 7)), 320, (7, 1))
    x = c.concat(three, c.conv(seven, 320, 3, 2, same=False), c.pool(x, 3, 2))

    for _ in range(3):
        y, z = c.conv(x, 384), c.conv(c.conv(c.conv(x, 384), 448, (3, 1)), 512, (1, 3))
        wide = [c.conv(m, 256, kernel) for m in (y, z) for kernel in ((1, 3), (3, 1))]
        x = c.concat(c.conv(x, 256), *wide, c.conv(c.pool(x, 3, 1, pad=1), 256))
    c.linear(c.average(x), 1001)


def _stem(c: Chain) -> Map:
    x = c.conv(Map(3, 299, 299), 32, 3, 2, same=False)
    x = c.conv(c.conv(x, 32, 3, same=False), 64, 3)
    x = c.concat(c.pool(x, 3, 2), c.conv(x, 96, 3, 2, same=False))
    short = c.conv(c.conv(x, 64), 96, 3, same=False)
    long = c.conv(c.conv(c.conv(x, 64), 64, (7, 1)), 64, (1, 7))
    x = c.concat(short, c.conv(long, 96, 3, same=False))
    return c.concat(c.conv(x, 192, 3, 2, same=False), c.pool(x, 3, 2))
