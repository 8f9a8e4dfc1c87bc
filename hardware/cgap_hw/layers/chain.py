"""Write a network's layer shapes down as one writes its layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cgap_hw.layers.shapes import NETWORK_INPUT, LayerShape


@dataclass(frozen=True)
class Map:
    """A feature map: channels, height and width, and the layers that it comes from."""

    channels: int
    height: int
    width: int
    sources: tuple[int, ...] = (NETWORK_INPUT,)


@dataclass(frozen=True)
class _Window:
    """Kernel, stride (both ways the same) and padding."""

    kernel_h: int
    kernel_w: int
    stride: int
    padding_h: int = 0
    padding_w: int = 0


@dataclass
class Chain:
    """Collects layers in the order of execution; every method returns the resulting map."""

    layers: list[LayerShape] = field(default_factory=list)

    def conv(
        self,
        x: Map,
        n_out: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        **more: Any,
    ) -> Map:
        """A convolution; padded so that stride 1 keeps the size, unless ``same=False``.

        ``groups`` as in torch; ``same`` False means no padding.
        """
        ky, kx = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = more.get("same", True)
        window = _Window(
            ky, kx, stride, (ky - 1) // 2 if same else 0, (kx - 1) // 2 if same else 0
        )
        return self._window("conv", x, n_out, window, groups=more.get("groups", 1), bias=True)

    def pool(self, x: Map, kernel: int, stride: int, *, kind: str = "max", pad: int = 0) -> Map:
        """A pooling layer."""
        window = _Window(kernel, kernel, stride, pad, pad)
        return self._window("pool", x, x.channels, window, pool_kind=kind)

    def average(self, x: Map) -> Map:
        """Global average pooling."""
        window = _Window(x.height, x.width, x.height)
        return self._window("pool", x, x.channels, window, pool_kind="avg")

    def linear(self, x: Map, n_out: int) -> Map:
        """A linear layer over all values of the map."""
        n_in = x.channels * x.height * x.width
        return self._append(x, Map(n_out, 1, 1), kind="linear", n_in=n_in, bias=True)

    def add(self, x: Map, y: Map) -> Map:
        """The sum of two maps of one size."""
        both = Map(x.channels, x.height, x.width, x.sources + y.sources)
        return self._append(both, x, kind="add")

    def concat(self, *maps: Map) -> Map:
        """Channels of several maps, one after the other; costs nothing."""
        channels = sum(m.channels for m in maps)
        sources = tuple(dict.fromkeys(s for m in maps for s in m.sources))
        return Map(channels, maps[0].height, maps[0].width, sources)

    def _window(self, kind: str, x: Map, n_out: int, w: _Window, **more: Any) -> Map:
        out_h = (x.height + 2 * w.padding_h - w.kernel_h) // w.stride + 1
        out_w = (x.width + 2 * w.padding_w - w.kernel_w) // w.stride + 1
        sizes = {
            "kernel_h": w.kernel_h,
            "kernel_w": w.kernel_w,
            "stride_h": w.stride,
            "stride_w": w.stride,
            "padding_h": w.padding_h,
            "padding_w": w.padding_w,
        }
        return self._append(x, Map(n_out, out_h, out_w), kind=kind, **sizes, **more)

    def _append(self, x: Map, out: Map, **more: Any) -> Map:
        flat = more.get("kind") == "linear"
        values = {
            "name": f"{more['kind']}{len(self.layers)}",
            "n_in": x.channels,
            "n_out": out.channels,
            "in_h": 1 if flat else x.height,
            "in_w": 1 if flat else x.width,
            "out_h": out.height,
            "out_w": out.width,
            "inputs": x.sources,
        }
        self.layers.append(LayerShape.model_validate(values | more))
        return Map(out.channels, out.height, out.width, (len(self.layers) - 1,))
