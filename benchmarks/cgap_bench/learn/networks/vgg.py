"""VGG with batch norm for 32x32 images, one linear layer behind the convolutions."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from cgap_bench.learn.network import NETWORKS, Shape, batch_norm, scaled
from cgap_bench.record.configuration import NetworkSettings

UNITS = (64, 128, 256, 512, 512)  # of a convolution, by stage; a 2x2 max-pool between stages


@NETWORKS.register("vgg11-bn")
def vgg11_bn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """VGG-11 with batch norm: 8 convolutions (3x3, no bias), average, one linear layer."""
    return _chain(settings, (1, 1, 2, 2, 2), input_shape[0], n_outputs)


@NETWORKS.register("vgg16-bn")
def vgg16_bn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """VGG-16 with batch norm: 13 convolutions (3x3, no bias), average, one linear layer."""
    return _chain(settings, (2, 2, 3, 3, 3), input_shape[0], n_outputs)


@NETWORKS.register("vgg19-bn")
def vgg19_bn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """VGG-19 with batch norm: 16 convolutions (3x3, no bias), average, one linear layer."""
    return _chain(settings, (2, 2, 4, 4, 4), input_shape[0], n_outputs)


def _chain(
    settings: NetworkSettings, depths: Sequence[int], n_in: int, n_outputs: int
) -> nn.Sequential:
    """Simonyan and Zisserman (2015) as the pruning literature trains it.

    Liu et al. 2017, public code of pytorch-slimming: VGG-19 of 20.04 M parameters.

    Args:
        settings: Width, batch norm variant.
        depths: Convolutions of each stage.
        n_in: Channels of the images.
        n_outputs: Classes.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    for stage, (full, depth) in enumerate(zip(UNITS, depths, strict=True), start=1):
        if stage > 1:
            layers[f"pool{stage - 1}"] = nn.MaxPool2d(2)
        units = scaled(full, settings.width)
        for index in range(1, depth + 1):
            name = f"{stage}_{index}"
            layers[f"conv{name}"] = nn.Conv2d(n_in, units, 3, padding=1, bias=False)
            layers[f"norm{name}"] = batch_norm(settings, units, 2)
            layers[f"relu{name}"] = nn.ReLU()
            n_in = units

    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(n_in, n_outputs)
    return nn.Sequential(layers)
