"""Small architectures that hold every way of coupling layers; loaded by conftest.py."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Stem, one identity and one projection block, global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.a1, self.n1 = nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.a2 = nn.Conv2d(3, 4, 3, padding=1)
        self.b1 = nn.Conv2d(4, 5, 3, stride=2, padding=1)
        self.short, self.n2 = nn.Conv2d(4, 5, 1, stride=2), nn.BatchNorm2d(5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = (x + self.a2(self.n1(self.a1(x)).relu())).relu()
        x = (self.b1(x) + self.n2(self.short(x))).relu()
        return self.head(x.mean((2, 3)))


class Depthwise(nn.Module):
    """Inverted bottleneck: expand, depthwise, squeeze-and-excite, project, add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.n0 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.expand, self.depthwise = (
            nn.Conv2d(4, 6, 1),
            nn.Conv2d(6, 6, 3, padding=1, groups=6),
        )
        self.n1 = nn.BatchNorm2d(6)
        self.squeeze, self.excite = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.project = nn.Conv2d(6, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.n0(self.stem(x)).relu()
        y = nn.functional.silu(self.n1(self.depthwise(self.expand(x))))
        pooled = self.squeeze(y.mean((2, 3), keepdim=True))
        gate = self.excite(nn.functional.silu(pooled)).sigmoid()
        return self.head((x + self.project(y * gate)).mean((2, 3)))


class Concat(nn.Module):
    """Two branches concatenated, twice, then flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(5)
        self.c = nn.Conv2d(5, 4, 3, padding=1)
        self.d = nn.Linear((5 + 4) * 4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(torch.cat([self.a(x), self.b(x)], 1)).relu()
        x = torch.cat([x, self.c(x).relu()], 1)
        x = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        return self.head(self.d(x).relu())


def chain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1, bias=False),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(20, 6),
        nn.BatchNorm1d(6),
        nn.Tanh(),
        nn.Linear(6, 3),
    )


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )


def pointwise() -> nn.Module:
    """The head is a 1x1 convolution before global pooling, as in SqueezeNet."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 5, 1),
        nn.ReLU(),
        nn.Conv2d(5, 3, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Drawn(nn.Module):
    """A network put together from stages by name; widths are taken from a list, in turn.

    Args:
        stages: of "conv", "same" (identity residual), "project" (residual with a projection),
            "depthwise", "gate" (squeeze-and-excite), "concat", "pool".
        end: "flatten", "average", "linear" (flatten and a hidden layer) or "pointwise".
        widths: units of the layers.
        norm: whether convolutions are followed by batch norm.
    """

    def __init__(self, stages: list[str], end: str, widths: list[int], norm: bool) -> None:
        super().__init__()
        self.stages, self.end = stages, end
        self.layers = nn.ModuleDict()
        self._widths, self._norm = itertools.cycle(widths), norm
        n, size = 2, 6
        for number, stage in enumerate(["conv", *stages]):
            n, size = self._add(f"{number}", stage, n, size)
        if end == "linear":
            self.layers["hidden"] = nn.Linear(n * size * size, 4)
        n_in = {"flatten": n * size * size, "average": n, "linear": 4, "pointwise": n}[end]
        self.head = nn.Conv2d(n, 3, 1) if end == "pointwise" else nn.Linear(n_in, 3)
        del self._widths

    def _conv(self, name: str, n: int, n_out: int, kernel: int = 3, groups: int = 1) -> None:
        bias = not self._norm
        conv = nn.Conv2d(n, n_out, kernel, padding=kernel // 2, bias=bias, groups=groups)
        layers = [conv, nn.BatchNorm2d(n_out)] if self._norm else [conv]
        self.layers[name] = nn.Sequential(*layers)

    def _add(self, name: str, stage: str, n: int, size: int) -> tuple[int, int]:
        width = n if stage in ("same", "depthwise", "gate", "pool") else next(self._widths)
        if stage == "pool":
            return n, size // 2 if size > 2 else size
        if stage == "gate":
            self.layers[f"{name}down"], self.layers[f"{name}up"] = (
                nn.Conv2d(n, 2, 1),
                nn.Conv2d(2, n, 1),
            )
            return n, size
        inner = next(self._widths) if stage in ("same", "project") else width
        self._conv(f"{name}a", n, inner, groups=n if stage == "depthwise" else 1)
        if stage in ("same", "project"):
            self._conv(f"{name}b", inner, width)
        if stage == "project":
            self._conv(f"{name}c", n, width, kernel=1)
        return n + width if stage == "concat" else width, size

    def forward(self, x: Tensor) -> Tensor:
        for number, stage in enumerate(["conv", *self.stages]):
            x = self._run(f"{number}", stage, x)
        if self.end == "pointwise":
            return self.head(x).mean((2, 3))
        x = x.mean((2, 3)) if self.end == "average" else x.flatten(1)
        return self.head(self.layers["hidden"](x).relu() if self.end == "linear" else x)

    def _run(self, name: str, stage: str, x: Tensor) -> Tensor:
        if stage == "pool":
            return nn.functional.max_pool2d(x, 2) if x.shape[-1] > 2 else x
        if stage == "gate":
            down = self.layers[f"{name}down"](x.mean((2, 3), keepdim=True)).relu()
            return x * self.layers[f"{name}up"](down).sigmoid()
        y = self.layers[f"{name}a"](x).relu()
        if stage in ("same", "project"):
            y = self.layers[f"{name}b"](y)
            return (y + (x if stage == "same" else self.layers[f"{name}c"](x))).relu()
        return torch.cat([x, y], 1) if stage == "concat" else y


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "chain": chain,
    "mlp": mlp,
    "residual": Residual,
    "depthwise": Depthwise,
    "concat": Concat,
    "pointwise": pointwise,
}
