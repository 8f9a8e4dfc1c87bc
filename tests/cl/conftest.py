"""Small architectures and helpers that the tests of the method share."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from avalanche.benchmarks import tensors_benchmark
from avalanche.logging import BaseLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import Tensor, nn

from cgap_cl import Birth, CGaPConfig, CGaPPlugin, Plan, PlasticNetwork
from cgap_cl.change import surgery
from cgap_cl.change.newborn import Split
from cgap_cl.decide import price


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
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
        nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.1),
        nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )


def pointwise() -> nn.Module:
    """The head is a 1x1 convolution before global pooling, as in SqueezeNet."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Conv2d(5, 3, 1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


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
    "chain": chain, "mlp": mlp, "residual": Residual, "depthwise": Depthwise,
    "concat": Concat, "pointwise": pointwise,
}  # fmt: skip


def _randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Generic weights and statistics: nothing is zero, one or equal by construction."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            values = values.abs() + 0.5
        elif tensor.dim() > 1:
            values = values * (2.0 / tensor[0].numel()) ** 0.5
        tensor.data.copy_(values)


def _error(one: Tensor, other: Tensor) -> float:
    """Largest difference as a share of the largest output."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))


def _grown(
    reference: nn.Module, x: Tensor, n_blocks: int = 3, head: str | None = None,
    full: bool = False,
) -> tuple[PlasticNetwork, list[Tensor]]:  # fmt: skip
    """Blocks with laterals, every group grown and pruned; the logits right after each merge."""
    generator = torch.Generator().manual_seed(1)
    network = PlasticNetwork(reference, x, head=head).eval()
    logits = []
    for k in range(n_blocks):
        widths = {g: n if full else min(3, n) for g, n in network.layout.widths.items()}
        column = network.sprout(k, 3, Birth(widths=widths, trunk=range(min(k, 2))))
        _randomise(column, generator)
        surgery.apply(column, Plan(grow={g: [0] for g in widths}), Split(), generator)
        gone = {(layer.name, s): [0] for layer in column.plastic() for s, _ in layer.sources()}
        prune = {g: [1] for g in widths if column.widths[g] > 1}
        surgery.apply(column, Plan(prune=prune, laterals=gone))
        before = network(x, k)
        network.merge()
        logits.append(network(x, k))
        assert _error(logits[-1], before) <= 1e-12
    return network, logits


@pytest.fixture(scope="session")
def architectures() -> dict[str, Callable[[], nn.Module]]:
    return ARCHITECTURES


@pytest.fixture(scope="session")
def drawn() -> type[nn.Module]:
    return Drawn


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module, torch.Generator], None]:
    return _randomise


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor], float]:
    return _error


@pytest.fixture(scope="session")
def grown() -> Callable[..., tuple[PlasticNetwork, list[Tensor]]]:
    return _grown


def _rows(k: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Three classes that a small network can tell apart; another rule in every task."""
    x = torch.randn(n, 2, 6, 6, generator=generator)
    return x, (x[:, k % 2, k % 3].mean(1) * 2 + 1).long().clamp(0, 2)


def _strategy(network: nn.Module, *plugins: Any, kind: Any = Naive, **options: Any) -> Any:
    """Avalanche's plain strategy, or another kind, with the plugin first in its list."""
    config = CGaPConfig(target_price=0.5, price=price.balanced, trunk_blocks=1)
    settings = {"train_epochs": 4, "train_mb_size": 16, "eval_mb_size": 16, **options}
    optimizer = settings.pop("optimizer", None) or torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.05
    )
    evaluator = settings.pop("evaluator", None) or EvaluationPlugin(loggers=[BaseLogger()])
    own = CGaPPlugin(settings.pop("config", config))
    return kind(
        model=network, optimizer=optimizer, evaluator=evaluator, plugins=[own, *plugins],
        **settings,
    )  # fmt: skip


@pytest.fixture(scope="session")
def rows() -> Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]:
    return _rows


@pytest.fixture(scope="session")
def strategy() -> Callable[..., Any]:
    return _strategy


@pytest.fixture
def stream() -> Any:
    """Three experiences of three classes, with task labels."""
    generator = torch.Generator().manual_seed(0)
    train = [_rows(k, 48, generator) for k in range(3)]
    test = [_rows(k, 24, generator) for k in range(3)]
    return tensors_benchmark(train_tensors=train, test_tensors=test, task_labels=[0, 1, 2])


@pytest.fixture
def network() -> PlasticNetwork:
    torch.manual_seed(0)
    return PlasticNetwork(chain(), torch.zeros(2, 2, 6, 6), seed_ratio=0.5)


def _part(classes: Sequence[int], n: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of some classes in turn, a little apart."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.tensor(classes)[torch.arange(n) % len(classes)]
    return torch.randn(n, 2, 6, 6, generator=generator) + 0.3 * y.view(-1, 1, 1, 1), y


class _At(SupervisedPlugin):  # type: ignore[misc]
    """Calls a function with the strategy at the start of an epoch or of an iteration."""

    def __init__(self, kind: str, function: Callable[[Any], None]) -> None:
        super().__init__()
        setattr(self, f"before_training_{kind}", lambda strategy, **_: function(strategy))


@pytest.fixture(scope="session")
def part() -> Callable[..., tuple[Tensor, Tensor]]:
    return _part


@pytest.fixture(scope="session")
def at() -> type[SupervisedPlugin]:
    return _At


@pytest.fixture(scope="session")
def stream_of() -> Callable[..., Any]:
    """Parts and their task labels -> a benchmark that is tested on what it is trained on."""
    return lambda parts, labels: tensors_benchmark(
        train_tensors=parts, test_tensors=parts, task_labels=labels
    )
