"""What the tests of changes share: a network in training and its loss."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import Block

X = torch.randn(16, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 3


def _smooth() -> nn.Module:
    """Convolution, convolution, linear: nothing between them has a kink or a bias."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.Tanh(),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(80, 6, bias=False),
        nn.Tanh(),
        nn.Linear(6, 3),
    )


def _begin(reference: nn.Module) -> tuple[PlasticNetwork, Block]:
    """A network in training, its column three units wide."""
    torch.manual_seed(0)
    network = PlasticNetwork(reference.double(), X).train()
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    return network, column


def _loss(network: PlasticNetwork) -> float:
    """Of one batch; leaves gradients of that batch alone."""
    network.zero_grad()
    value = nn.functional.cross_entropy(network(X, 0), Y)
    value.backward()
    return float(value.detach())


@pytest.fixture(scope="session")
def references(architectures: dict[str, Callable[[], nn.Module]]) -> dict[str, Any]:
    """The small architectures, and a smooth one."""
    return {**architectures, "smooth": _smooth}


@pytest.fixture(scope="session")
def begin() -> Callable[[nn.Module], tuple[PlasticNetwork, Block]]:
    return _begin


@pytest.fixture(scope="session")
def loss() -> Callable[[PlasticNetwork], float]:
    return _loss
