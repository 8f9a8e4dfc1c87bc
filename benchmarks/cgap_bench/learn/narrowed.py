"""The paper's networks at the sizes that it reports, made by hand, to be priced untrained.

Which units went is not published (Du et al. 2019). These patterns meet the published changes of
parameters and multiply-adds; others would too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from cgap_bench.learn.network import Shape, build_network, scaled
from cgap_bench.learn.networks.resnet import BasicBlock
from cgap_bench.record.configuration import NetworkSettings

IMAGE: Shape = (3, 32, 32)
RESNET, VGG = "resnet110", "vgg19-bn"


@dataclass(frozen=True)
class NarrowNetwork:
    """A network of the paper beside a narrow one of the size that is reported for it.

    Attributes:
        benchmark: What both classify; names the published figures.
        pattern: Which units are left.
        dense: The reference network.
        narrow: The same with fewer units.
    """

    benchmark: str
    pattern: str
    dense: nn.Sequential
    narrow: nn.Sequential


def narrow_networks() -> list[NarrowNetwork]:
    """Two readings of ResNet-110 on CIFAR-10, one each of VGG-19 on CIFAR-100 and on SVHN."""
    inner, even = 0.36, 0.6
    return [
        NarrowNetwork(
            "cifar10",
            f"{inner:.0%} of the units inside each block",
            _reference(RESNET, 10),
            _narrow_inside(_reference(RESNET, 10), inner),
        ),
        NarrowNetwork(
            "cifar10",
            f"{even:.0%} of all units",
            _reference(RESNET, 10),
            _reference(RESNET, 10, width=even),
        ),
        _narrow_vgg("cifar100", 100, (0.84, 0.36)),
        _narrow_vgg("svhn", 10, (0.6, 0.33)),
    ]


def _reference(name: str, n_outputs: int, width: float = 1.0) -> nn.Sequential:
    settings = NetworkSettings(name=name, width=width, dropout_scale=0.0)
    return build_network(settings, IMAGE, n_outputs)


def _narrow_vgg(benchmark: str, n_outputs: int, halves: tuple[float, float]) -> NarrowNetwork:
    """VGG-19 with one share of the units in its first eight convolutions, another behind."""
    dense, first, last = _reference(VGG, n_outputs), *halves
    n = len(_convolutions(dense))
    ratios = [first] * (n // 2) + [last] * (n - n // 2)
    pattern = (
        f"{first:.0%} of the units in the first half of the layers, {last:.0%} in the rest"
    )
    narrow = _narrow_chain(_reference(VGG, n_outputs), ratios, n_outputs)
    return NarrowNetwork(benchmark, pattern, dense, narrow)


def _convolutions(network: nn.Sequential) -> dict[str, nn.Conv2d]:
    return {
        name: layer for name, layer in network.named_children() if isinstance(layer, nn.Conv2d)
    }


def _narrow_chain(
    network: nn.Sequential, ratios: Sequence[float], n_outputs: int
) -> nn.Sequential:
    """A chain of convolutions, each with batch norm behind it and a ratio of its units."""
    n_in = IMAGE[0]
    for (name, layer), ratio in zip(_convolutions(network).items(), ratios, strict=True):
        units = scaled(layer.out_channels, ratio)
        setattr(network, name, nn.Conv2d(n_in, units, 3, padding=1, bias=False))
        setattr(network, name.replace("conv", "norm"), nn.BatchNorm2d(units))
        n_in = units

    network.head = nn.Linear(n_in, n_outputs)
    return network


def _narrow_inside(network: nn.Sequential, ratio: float) -> nn.Sequential:
    """A residual network with a ratio of the units between the convolutions of each block."""
    for block in network:
        if isinstance(block, BasicBlock):
            first, second = block.conv1, block.conv2
            units, stride = scaled(first.out_channels, ratio), first.stride[0]
            block.conv1 = nn.Conv2d(first.in_channels, units, 3, stride, padding=1, bias=False)
            block.norm1 = nn.BatchNorm2d(units)
            block.conv2 = nn.Conv2d(units, second.out_channels, 3, padding=1, bias=False)
    return network
