"""Every supported network: sprout, grow and prune every group, merge, extract, compare."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgap_cl import PlasticNetwork, UnsupportedNetworkError


def conv_bn(n_in, n_out, kernel=3, **options):
    layers = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(layers, nn.BatchNorm2d(n_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; a projection where the shape changes."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.a, self.b = conv_bn(n_in, n_out, stride=stride), conv_bn(n_out, n_out)
        same = n_in == n_out and stride == 1
        self.short = nn.Identity() if same else conv_bn(n_in, n_out, 1, stride=stride)

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + self.short(x))


class WideBlock(nn.Module):
    """Pre-activation block of Zagoruyko & Komodakis (2016)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.n1, self.n2 = nn.BatchNorm2d(n_in), nn.BatchNorm2d(n_out)
        self.a = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        same = n_in == n_out and stride == 1
        self.short = None if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.n1(x))
        short = x if self.short is None else self.short(y)
        return self.b(F.relu(self.n2(self.a(y)))) + short


def resnet(blocks, widths, block=BasicBlock):
    layers, n_in = [conv_bn(3, widths[0])], widths[0]
    for stage, width in enumerate(widths):
        for number in range(blocks):
            layers.append(block(n_in, width, 2 if stage and not number else 1))
            n_in = width
    return nn.Sequential(
        *layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, 3)
    )


def vgg(*stages):
    layers, n_in = [], 3
    for stage in stages:
        for width in stage:
            layers += [conv_bn(n_in, width), nn.ReLU()]
            n_in = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_in, 8), nn.ReLU(), nn.Dropout(),
                         nn.Linear(8, 3))  # fmt: skip


def alexnet():
    layers, n_in = [], 3
    for width, kernel in ((8, 4), (12, 3), (16, 2)):
        layers += [nn.Conv2d(n_in, width, kernel, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                   nn.Dropout(0.2), nn.MaxPool2d(2)]  # fmt: skip
        n_in = width
    layers.append(nn.Flatten())
    n_in *= 4
    for width in (20, 20):
        layers += [nn.Linear(n_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        n_in = width
    return nn.Sequential(*layers, nn.Linear(n_in, 3))


def lenet():
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 30), nn.ReLU(), nn.Linear(30, 20),
        nn.ReLU(), nn.Linear(20, 3),
    )  # fmt: skip


def torchvision(name, **options):
    from torchvision import models

    if name == "densenet121":
        return models.DenseNet(4, (6, 12, 24, 16), 8, num_classes=3)
    return getattr(models, name)(num_classes=3, **options)


SMALL = {
    "lenet": (lenet, 32),
    "alexnet": (alexnet, 32),
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 6),
                                  nn.ReLU(), nn.Linear(6, 3)), 8),
    "vgg16_bn": (lambda: vgg((4, 4), (6, 6), (8,) * 3, (8,) * 3, (8,) * 3), 32),
    "resnet18-reduced": (lambda: resnet(2, (4, 6, 8, 10)), 16),
    "resnet20": (lambda: resnet(3, (4, 6, 8)), 16),
    "wrn-28-2": (lambda: resnet(4, (4, 6, 8), WideBlock), 16),
}  # fmt: skip
LARGE = {
    "vgg19_bn": (lambda: vgg((4, 4), (6, 6), (8,) * 4, (8,) * 4, (8,) * 4), 32),
    "resnet32": (lambda: resnet(5, (4, 6, 8)), 16),
    "resnet110": (lambda: resnet(18, (4, 5, 6)), 8),
    "resnet18": (lambda: torchvision("resnet18"), 32),
    "mobilenet_v2": (lambda: torchvision("mobilenet_v2", width_mult=0.25), 32),
    "densenet121": (lambda: torchvision("densenet121"), 32),
    "squeezenet1_1": (lambda: torchvision("squeezenet1_1"), 32),
    "efficientnet_b0": (lambda: torchvision("efficientnet_b0"), 32),
}
CASES = [pytest.param(*case, id=name) for name, case in SMALL.items()]
CASES += [pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in LARGE.items()]


@pytest.mark.parametrize(("factory", "size"), CASES)
def test_merged_equals_blocks_on_every_network(factory, size, grown, error):
    torch.manual_seed(0)
    reference = factory().double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    network, logits = grown(reference, x)
    for k, first in enumerate(logits):
        assert torch.equal(network(x, k), first)
        assert torch.equal(network.subnetwork(k)(x), first)
    assert error(network.merged()(x), torch.cat(logits, 1)) <= 1e-12
    assert len({tuple(y.flatten().tolist()) for y in logits}) == 3
    grouped = {g for layer in network.layout.layers for g in (s.group for s in layer.inputs)}
    assert set(network.layout.widths) <= grouped


class Shuffles(nn.Module):
    """Softmax over channels by a function, invisible to a look at the modules."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.second(self.first(x).softmax(1)).mean((2, 3)))


class Constant(nn.Module):
    """A size written into forward."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 3)

    def forward(self, x):
        return self.head(self.first(x).reshape(-1, 144))


class Twice(nn.Module):
    """One layer used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.second(self.second(self.first(x))).mean((2, 3)))


def with_layer(layer):
    return nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


@pytest.mark.parametrize(
    ("reference", "layer", "reason"),
    [
        (with_layer(nn.GroupNorm(2, 4)), "1", "GroupNorm mixes channels"),
        (with_layer(nn.LocalResponseNorm(2)), "1", "LocalResponseNorm mixes channels"),
        (with_layer(nn.Conv2d(4, 4, 1, groups=2)), "1", "grouped convolution"),
        (with_layer(nn.PReLU()), "1", "parameters of its own"),
        (Shuffles(), "first", "'second', mixes channels"),
        (Constant(), "(network)", "other widths"),
        (Twice(), "second", "more than once"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "(network)", "to be the head"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "1", "nothing before it"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_unsupported_networks_name_layer_and_reason(reference, layer, reason):
    with pytest.raises(UnsupportedNetworkError, match=reason) as caught:
        PlasticNetwork(reference, torch.zeros(2, 3, 8, 8))
    assert caught.value.layer == layer


def test_head_can_be_named_and_misnamed():
    reference = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))
    assert PlasticNetwork(reference, torch.zeros(2, 3, 2, 2), head="3").layout.head == "3"
    with pytest.raises(UnsupportedNetworkError, match="known: 1, 3"):
        PlasticNetwork(reference, torch.zeros(2, 3, 2, 2), head="4")
