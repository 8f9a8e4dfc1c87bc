"""Small architectures and helpers that the tests of the method share."""

import copy
import functools
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.benchmarks import tensors_benchmark
from avalanche.logging import BaseLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import Tensor, nn

from cgap_cl import Birth, CGaPConfig, CGaPPlugin, GrowthPolicy, Plan, PlasticNetwork
from cgap_cl.blocks.block import connect
from cgap_cl.change import surgery
from cgap_cl.change.newborn import Split
from cgap_cl.decide import price


def _module_beside(name: str) -> Any:
    """A module of this folder, by path: tests are no packages and do not import one another."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"tests_cl_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


small = _module_beside("architectures")


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


def _read(
    network: PlasticNetwork, sources: Sequence[int], start: int = 0, step: int = 1
) -> None:
    """Let every layer of the column that may do so read older blocks, or parts of them."""
    column = network.column
    assert column is not None
    for name in network.layout.lateral_names:
        for source in map(network.block, sources):
            index = torch.arange(source.layer(name).own.weight.shape[1])[start::step]
            if len(index):
                connect(column.layer(name), source, index)


def _grown(
    reference: nn.Module,
    x: Tensor,
    n_blocks: int = 3,
    head: str | None = None,
    full: bool = False,
) -> tuple[PlasticNetwork, list[Tensor]]:
    """Blocks with laterals, every group grown and pruned; the logits right after each merge."""
    generator = torch.Generator().manual_seed(1)
    network = PlasticNetwork(reference, x, head=head).eval()
    logits = []
    for k in range(n_blocks):
        widths = {g: n if full else min(3, n) for g, n in network.layout.widths.items()}
        column = network.sprout(k, 3, Birth(widths))
        _read(network, range(min(k, 2)), start=1)
        _randomise(column, generator)
        surgery.apply(column, Plan(grow={g: [0] for g in widths}), Split(), generator)
        prune = {g: [1] for g in widths if column.widths[g] > 1}
        surgery.apply(column, Plan(prune=prune))
        before = network(x, k)
        network.merge()
        logits.append(network(x, k))
        assert _error(logits[-1], before) <= 1e-12
    return network, logits


@pytest.fixture(scope="session")
def architectures() -> dict[str, Callable[[], nn.Module]]:
    architectures: dict[str, Callable[[], nn.Module]] = small.ARCHITECTURES
    return architectures


@pytest.fixture(scope="session")
def fresh() -> Callable[[str], PlasticNetwork]:
    """A new network of that name; tracing is done once."""

    @functools.cache
    def traced(name: str) -> PlasticNetwork:
        torch.manual_seed(0)
        x = torch.zeros(5, 2, 6, 6, dtype=torch.float64)
        return PlasticNetwork(small.ARCHITECTURES[name]().double(), x).eval()

    return lambda name: copy.deepcopy(traced(name))


@pytest.fixture(scope="session")
def drawn() -> type[nn.Module]:
    drawn: type[nn.Module] = small.Drawn
    return drawn


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module, torch.Generator], None]:
    return _randomise


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor], float]:
    return _error


@pytest.fixture(scope="session")
def read() -> Callable[..., None]:
    return _read


@pytest.fixture(scope="session")
def grown() -> Callable[..., tuple[PlasticNetwork, list[Tensor]]]:
    return _grown


def _rows(k: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Three classes that a small network can tell apart; another rule in every task."""
    x = torch.randn(n, 2, 6, 6, generator=generator)
    return x, (x[:, k % 2, k % 3].mean(1) * 2 + 1).long().clamp(0, 2)


def _strategy(network: nn.Module, *plugins: Any, kind: Any = Naive, **options: Any) -> Any:
    """Avalanche's plain strategy, or another kind, with the plugin first in its list."""
    config = CGaPConfig(
        target_price=0.5, price=price.balanced, growth=GrowthPolicy(linear_capacity=1.0)
    )
    settings = {"train_epochs": 4, "train_mb_size": 16, "eval_mb_size": 16, **options}
    optimizer = settings.pop("optimizer", None) or torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.05
    )
    evaluator = settings.pop("evaluator", None) or EvaluationPlugin(loggers=[BaseLogger()])
    own = CGaPPlugin(settings.pop("config", config))
    return kind(
        model=network,
        optimizer=optimizer,
        evaluator=evaluator,
        plugins=[own, *plugins],
        **settings,
    )


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
    return PlasticNetwork(small.chain(), torch.zeros(2, 2, 6, 6), seed_ratio=0.5)


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
