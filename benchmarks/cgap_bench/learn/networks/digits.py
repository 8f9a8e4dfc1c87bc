"""A small network for 8 x 8 scans of digits."""

from collections import OrderedDict

from torch import nn

from cgap_bench.learn.network import NETWORKS, Shape, batch_norm, scaled
from cgap_bench.record.configuration import NetworkSettings


@NETWORKS.register("digits-cnn")
def digits_cnn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Conv 32 - conv 64 (3x3, padding 1, each BN, ReLU, 2x2 max-pool) - linear 128 - head."""
    channels, height, width = input_shape
    first, second, hidden = (scaled(n, settings.width) for n in (32, 64, 128))

    # two poolings leave a quarter of each side
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, first, 3, padding=1),
            norm1=batch_norm(settings, first, 2),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(first, second, 3, padding=1),
            norm2=batch_norm(settings, second, 2),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear=nn.Linear(second * (height // 4) * (width // 4), hidden),
            relu3=nn.ReLU(),
            head=nn.Linear(hidden, n_outputs),
        )
    )
