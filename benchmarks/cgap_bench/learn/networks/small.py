"""LeNet-5 and a perceptron, for MNIST and its kin."""

from collections import OrderedDict

from torch import nn

from cgap_bench.learn.network import NETWORKS, Shape, scaled
from cgap_bench.record.configuration import NetworkSettings


@NETWORKS.register("lenet5")
def lenet5(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """LeNet-5, the one that pruning is judged by: conv 20 - conv 50 - linear 500 - head.

    The widths of Caffe (Jia et al. 2014, `lenet.prototxt`), 431,080 parameters for 28x28 images
    of one channel: 5x5 convolutions, each with a ReLU and a 2x2 max-pool behind it.
    """
    channels, height, width = input_shape
    first, second, hidden = (scaled(n, settings.width) for n in (20, 50, 500))
    height, width = ((((side - 4) // 2) - 4) // 2 for side in (height, width))

    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, first, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(first, second, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear=nn.Linear(second * height * width, hidden),
            relu3=nn.ReLU(),
            head=nn.Linear(hidden, n_outputs),
        )
    )


@NETWORKS.register("mlp")
def mlp(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Two hidden layers of 400 units, as van de Ven and Tolias (2019) use on MNIST."""
    channels, height, width = input_shape
    hidden = scaled(400, settings.width)

    return nn.Sequential(
        OrderedDict[str, nn.Module](
            flatten=nn.Flatten(),
            linear1=nn.Linear(channels * height * width, hidden),
            relu1=nn.ReLU(),
            linear2=nn.Linear(hidden, hidden),
            relu2=nn.ReLU(),
            head=nn.Linear(hidden, n_outputs),
        )
    )
