"""Reference networks by name, at any width; the modules in `networks` bring them."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.registry import Registry

Shape = tuple[int, int, int]
Factory = Callable[[NetworkSettings, Shape, int], nn.Sequential]

NETWORKS: Registry[Factory] = Registry("network", package="cgap_bench.learn.networks")


def network_factory(name: str) -> Factory:
    """The factory of a name; with a colon in it, of a network that somebody else wrote.

    Raises:
        UsageError: There is none of that name.
    """
    if ":" not in name:
        module = name.partition(".")[0]
        if name not in NETWORKS.names() and Path(f"{module}.py").is_file():
            raise UsageError(
                f"unknown network {name!r}; of a function in {module}.py write"
                f" {module}:{name.partition('.')[2] or 'FUNCTION'}"
            )
        return NETWORKS[name]
    from cgap_bench.learn.external_networks import external_network

    return lambda own, shape, n: external_network(own.name, own.width, shape, n)


def build_network(
    settings: NetworkSettings, input_shape: Shape, n_outputs: int
) -> nn.Sequential:
    """A sequence whose last module, a Linear, is the head.

    Args:
        settings: Name, width multiplier, batch norm variant, dropout.
        input_shape: (C, H, W) of one image.
        n_outputs: Classes of the head.
    """
    return network_factory(settings.name)(settings, input_shape, n_outputs)


def scaled(units: int, width: float) -> int:
    """Units of a layer at a width multiplier, at least one."""
    return max(1, round(units * width))


def batch_norm(settings: NetworkSettings, n: int, dimensions: int) -> nn.Module:
    """Batch norm of ``n`` units after a convolution (2 dimensions) or a linear layer (1)."""
    kind = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
    return kind(n, track_running_stats=settings.norm is Norm.RUNNING)
