"""Networks of published protocols that are named nowhere else."""

from collections import OrderedDict

from torch import nn

from cgap_bench.learn.network import NETWORKS, Shape, scaled
from cgap_bench.record.configuration import NetworkSettings


@NETWORKS.register("mlp-gpm")
def mlp_gpm(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Two hidden layers of 100 units, no biases: P-PM (Saha et al. 2021, `main_pmnist.py`)."""
    channels, height, width = input_shape
    hidden = scaled(100, settings.width)

    return nn.Sequential(
        OrderedDict[str, nn.Module](
            flatten=nn.Flatten(),
            linear1=nn.Linear(channels * height * width, hidden, bias=False),
            relu1=nn.ReLU(),
            linear2=nn.Linear(hidden, hidden, bias=False),
            relu2=nn.ReLU(),
            head=nn.Linear(hidden, n_outputs, bias=False),
        )
    )


@NETWORKS.register("lenet-gpm")
def lenet_gpm(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """LeNet 20-50-800-500 of P-SC20 (Saha et al. 2021, `main_cifar_superclass.py`), no LRN.

    2.99 million parameters for 32x32 images: 5x5 convolutions with padding 2, 3x3 max-pools
    with stride 2, no biases. The local response normalisation is left out, as in WSN's code.
    """
    return _lenet((20, 50, 800, 500), settings, input_shape, n_outputs)


@NETWORKS.register("lenet-apd")
def lenet_apd(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """LeNet 64-128-2500-1500, else as `lenet-gpm`: P-SC20 as WSN words it (Kang et al. 2022).

    24.4 million parameters for 32x32 images. The paper (appendix A.2, after Yoon et al. 2020)
    names these widths, its public script makes `lenet-gpm`.
    """
    return _lenet((64, 128, 2500, 1500), settings, input_shape, n_outputs)


def _lenet(
    units: tuple[int, int, int, int],
    settings: NetworkSettings,
    input_shape: Shape,
    n_outputs: int,
) -> nn.Sequential:
    channels, height, width = input_shape
    first, second, third, fourth = (scaled(n, settings.width) for n in units)
    height, width = (((side + 1) // 2 + 1) // 2 for side in (height, width))

    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, first, 5, padding=2, bias=False),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(3, 2, 1),
            conv2=nn.Conv2d(first, second, 5, padding=2, bias=False),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(3, 2, 1),
            flatten=nn.Flatten(),
            linear1=nn.Linear(second * height * width, third, bias=False),
            relu3=nn.ReLU(),
            linear2=nn.Linear(third, fourth, bias=False),
            relu4=nn.ReLU(),
            head=nn.Linear(fourth, n_outputs, bias=False),
        )
    )


@NETWORKS.register("vgg-small")
def vgg_small(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Six convolutions, linear 128, 128, no batch norm: P-TIN10 (De Lange et al. 2021)."""
    channels, height, width = input_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    for stage, units in enumerate(((64,), (64,), (64, 64), (128, 128)), start=1):
        for index, full in enumerate(units, start=1):
            filters = scaled(full, settings.width)
            layers[f"conv{stage}_{index}"] = nn.Conv2d(channels, filters, 3, padding=1)
            layers[f"relu{stage}_{index}"] = nn.ReLU()
            channels = filters
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
        height, width = height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    features, hidden = channels * height * width, scaled(128, settings.width)
    for index in (1, 2):
        layers[f"linear{index}"] = nn.Linear(features, hidden)
        layers[f"relu_linear{index}"] = nn.ReLU()
        features = hidden
    layers["head"] = nn.Linear(hidden, n_outputs)
    return nn.Sequential(layers)


@NETWORKS.register("conv4-wsn")
def conv4_wsn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Four strided convolutions of 160 filters, linear 640, 640: P-TIN40 (Kang et al. 2022)."""
    channels, height, width = input_shape
    filters, hidden = scaled(160, settings.width), scaled(640, settings.width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    for index in range(1, 5):
        layers[f"conv{index}"] = nn.Conv2d(channels, filters, 3, 2, 1, bias=False)
        layers[f"relu{index}"] = nn.ReLU()
        channels, height, width = filters, (height + 1) // 2, (width + 1) // 2
    layers["flatten"] = nn.Flatten()
    features = filters * height * width
    for index in (1, 2):
        layers[f"linear{index}"] = nn.Linear(features, hidden, bias=False)
        layers[f"relu{index + 4}"] = nn.ReLU()
        features = hidden
    layers["head"] = nn.Linear(hidden, n_outputs, bias=False)
    return nn.Sequential(layers)
