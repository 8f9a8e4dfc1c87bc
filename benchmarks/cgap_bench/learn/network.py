"""Reference networks by name, at any width; the modules in `networks` bring them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.own.mistakes import checked_call
from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.registry import Registry

Shape = tuple[int, int, int]
Factory = Callable[[NetworkSettings, Shape, int], nn.Sequential]


def _check(what: str, value: Any) -> None:
    """Raises `UsageError` where an entry of a user's own is no factory."""
    checked_call(what, value, "(settings, input_shape, n_outputs)", None, (1, 1, 1), 1)


NETWORKS: Registry[Factory] = Registry("network", "cgap_bench.learn.networks", _check)


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

    Raises:
        UsageError: A user's own factory makes something else.
    """
    network = network_factory(settings.name)(settings, input_shape, n_outputs)
    if isinstance(network, nn.Sequential) and isinstance([*network][-1], nn.Linear):
        return network
    raise UsageError(
        f"network {settings.name} makes {type(network).__name__}, not a Sequential whose last"
        " module is a Linear, the head"
    )


def scaled(units: int, width: float) -> int:
    """Units of a layer at a width multiplier, at least one."""
    return max(1, round(units * width))


def batch_norm(settings: NetworkSettings, n: int, dimensions: int) -> nn.Module:
    """Batch norm of ``n`` units after a convolution (2 dimensions) or a linear layer (1)."""
    kind = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
    return kind(n, track_running_stats=settings.norm is not Norm.BATCH)
