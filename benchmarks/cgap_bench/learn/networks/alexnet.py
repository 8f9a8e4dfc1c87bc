"""The "AlexNet" of the protocols of gradient projection memory."""

from collections import OrderedDict

from torch import nn

from cgap_bench.learn.network import NETWORKS, Shape, batch_norm, scaled
from cgap_bench.learn.networks.dropout import FastDropout
from cgap_bench.record.configuration import NetworkSettings


@NETWORKS.register("alexnet-gpm")
def alexnet_gpm(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """The "AlexNet" of protocol P-GPM10 (Saha et al. 2021, public code `main_cifar100.py`).

    Conv 64 (4x4), 128 (3x3), 256 (2x2), linear 2048, 2048, head; no biases; each layer is
    followed by BN, ReLU and dropout (.2 .2 .5 .5 .5), each convolution then by a 2x2 max-pool.
    """
    channels, height, width = input_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    def after(index: int, units: int, dimensions: int, rate: float) -> None:
        layers[f"norm{index}"] = batch_norm(settings, units, dimensions)
        layers[f"relu{index}"] = nn.ReLU()
        layers[f"dropout{index}"] = FastDropout(min(rate * settings.dropout_scale, 0.9))

    for index, (full, kernel, rate) in enumerate(
        [(64, 4, 0.2), (128, 3, 0.2), (256, 2, 0.5)], 1
    ):
        units = scaled(full, settings.width)
        layers[f"conv{index}"] = nn.Conv2d(channels, units, kernel, bias=False)
        after(index, units, 2, rate)
        layers[f"pool{index}"] = nn.MaxPool2d(2)
        channels, height, width = units, (height - kernel + 1) // 2, (width - kernel + 1) // 2
    layers["flatten"] = nn.Flatten()
    features = channels * height * width
    for index in (4, 5):
        units = scaled(2048, settings.width)
        layers[f"linear{index}"] = nn.Linear(features, units, bias=False)
        after(index, units, 1, 0.5)
        features = units
    layers["head"] = nn.Linear(features, n_outputs, bias=False)
    return nn.Sequential(layers)
