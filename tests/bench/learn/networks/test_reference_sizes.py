"""The reference networks have the sizes that the literature compares with."""

import pytest
import torch

from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.shapes.tracing import layer_shapes, total_macs

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def vgg(stages):
    """Parameters and MACs of 3x3 convolutions of these widths, BN behind each, and a head."""
    n_in, side, parameters, macs = 3, 32, 0, 0
    for stage in stages:
        for n_out in stage:
            parameters += 9 * n_in * n_out + 2 * n_out
            macs += 9 * n_in * n_out * side * side
            n_in = n_out
        side //= 2
    return parameters + 512 * 10 + 10, macs + 512 * 10


def basic(units, n_blocks):
    """The same of a stem, stages of residual blocks with projections, and a head."""
    side, n_in = 32, units[0]
    parameters, macs = 27 * n_in + 2 * n_in, 27 * n_in * side * side
    for stage, n_out in enumerate(units):
        side = 32 >> stage
        for block in range(n_blocks):
            weights = 9 * n_in * n_out + 9 * n_out * n_out
            norms = 4 * n_out
            if n_in != n_out:
                assert block == 0
                weights += n_in * n_out
                norms += 2 * n_out
            parameters += weights + norms
            macs += weights * side * side
            n_in = n_out
    return parameters + 10 * n_in + 10, macs + 10 * n_in


# name -> shape of an image, what the size is by hand, what is published (parameters, MACs)
SIZES = {
    # 20*25+20 + 50*500+50 + 500*800+500 + 10*500+10; 24^2*500 + 8^2*25000 + 400000 + 5000
    "lenet5": (GREY, (431_080, 2_293_000), "431 k", ""),
    "mlp": (GREY, (785 * 400 + 401 * 400 + 4010, 784 * 400 + 400 * 400 + 4000), "", ""),
    "vgg11-bn": (COLOUR, vgg([[64], [128], [256] * 2, [512] * 2, [512] * 2]), "9.2 M", ""),
    "vgg16-bn": (
        COLOUR,
        vgg([[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]),
        "14.7 M",
        "313 M",
    ),
    # Liu et al. 2017, public code of pytorch-slimming
    "vgg19-bn": (
        COLOUR,
        vgg([[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]),
        "20.0 M",
        "398 M",
    ),
    # He et al. 2016, table 6
    "resnet20": (COLOUR, basic((16, 32, 64), 3), "0.27 M", "40.8 M"),
    "resnet32": (COLOUR, basic((16, 32, 64), 5), "0.47 M", "69.1 M"),
    "resnet56": (COLOUR, basic((16, 32, 64), 9), "0.86 M", "126 M"),
    "resnet110": (COLOUR, basic((16, 32, 64), 18), "1.73 M", "253 M"),
    "resnet18-reduced": (COLOUR, basic((20, 40, 80, 160), 2), "1.09 M", ""),
    # the size that MixMatch and FixMatch print for Wide ResNet 28-2
    "wrn-28-2": (COLOUR, (1_467_610, None), "1.47 M", ""),
}


def rounded(count, like):
    """A count in the unit and with the decimals of a published figure."""
    number, unit = like.split()
    _, _, decimals = number.partition(".")
    return f"{count / {'k': 1e3, 'M': 1e6}[unit]:.{len(decimals)}f} {unit}"


@pytest.mark.parametrize("name", SIZES)
def test_size_by_hand_and_as_published(name):
    shape, (parameters, macs), published_parameters, published_macs = SIZES[name]
    network = build_network(NetworkSettings(name=name), shape, 10)
    counted = total_macs(layer_shapes(network, torch.zeros(1, *shape)))

    assert n_parameters(network) == parameters
    assert macs is None or counted == macs
    if published_parameters:
        assert rounded(parameters, published_parameters) == published_parameters
    if published_macs:
        assert rounded(counted, published_macs) == published_macs


def test_vgg19_for_cifar100_is_the_baseline_of_the_paper():
    network = build_network(NetworkSettings(name="vgg19-bn"), COLOUR, 100)
    macs = total_macs(layer_shapes(network, torch.zeros(1, *COLOUR)))
    assert n_parameters(network) == 20_035_018 + 90 * 513
    assert f"{2 * macs / 1e9:.1f} GFLOPs at two per MAC" == "0.8 GFLOPs at two per MAC"
