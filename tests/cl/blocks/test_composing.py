"""Every supported network: sprout, grow and prune every group, merge, extract, compare."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings
from cgap_cl.blocks.blockwise import BlockwiseLayer


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
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(n_in, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    )


def alexnet():
    layers, n_in = [], 3
    for width, kernel in ((8, 4), (12, 3), (16, 2)):
        layers += [
            nn.Conv2d(n_in, width, kernel, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.MaxPool2d(2),
        ]
        n_in = width
    layers.append(nn.Flatten())
    n_in *= 4
    for width in (20, 20):
        layers += [nn.Linear(n_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        n_in = width
    return nn.Sequential(*layers, nn.Linear(n_in, 3))


def lenet():
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 30),
        nn.ReLU(),
        nn.Linear(30, 20),
        nn.ReLU(),
        nn.Linear(20, 3),
    )


def torchvision(name, **options):
    from torchvision import models

    if name == "densenet121":
        growth = options.get("growth_rate", 4)
        return models.DenseNet(growth, (6, 12, 24, 16), 2 * growth, num_classes=3)
    return getattr(models, name)(num_classes=3, **options)


def full(name):
    """Networks of the protocols at their real width."""
    settings = NetworkSettings(name=name)
    return build_network(settings, (3, 32, 32), 10)


CASES = {
    "lenet": (lenet, 32),
    "alexnet": (alexnet, 32),
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 6),
                                  nn.ReLU(), nn.Linear(6, 3)), 8),
    "vgg16_bn": (lambda: vgg((4, 4), (6, 6), (8,) * 3, (8,) * 3, (8,) * 3), 32),
    "vgg19_bn": (lambda: vgg((4, 4), (6, 6), (8,) * 4, (8,) * 4, (8,) * 4), 32),
    "resnet18-reduced": (lambda: resnet(2, (4, 6, 8, 10)), 16),
    "resnet20": (lambda: resnet(3, (4, 6, 8)), 16),
    "resnet32": (lambda: resnet(5, (4, 6, 8)), 16),
    "resnet110": (lambda: resnet(18, (4, 5, 6)), 8),
    "wrn-28-2": (lambda: resnet(4, (4, 6, 8), WideBlock), 16),
    "resnet18": (lambda: torchvision("resnet18"), 32),
    "mobilenet_v2": (lambda: torchvision("mobilenet_v2", width_mult=0.25), 32),
    "densenet121": (lambda: torchvision("densenet121"), 32),
    "squeezenet1_1": (lambda: torchvision("squeezenet1_1"), 32),
    "efficientnet_b0": (lambda: torchvision("efficientnet_b0"), 32),
}  # fmt: skip


DEEP = ("resnet110", "densenet121")  # many layers: half a minute each
DRAWN = [
    pytest.param(*case, id=name, marks=[pytest.mark.slow] if name in DEEP else [])
    for name, case in CASES.items()
]


@pytest.mark.parametrize(("factory", "size"), DRAWN)
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


REAL = {
    "lenet": lenet,
    "alexnet": lambda: full("alexnet-gpm"),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 256), nn.ReLU(),
                                 nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    "resnet18-reduced": lambda: resnet(2, (20, 40, 80, 160)),
    "resnet20": lambda: resnet(3, (16, 32, 64)),
    "resnet32": lambda: resnet(5, (16, 32, 64)),
    "wrn-28-2": lambda: resnet(4, (32, 64, 128), WideBlock),
    "squeezenet1_1": lambda: torchvision("squeezenet1_1"),
}  # fmt: skip
WIDE = {
    "vgg16_bn": lambda: vgg((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19_bn": lambda: vgg((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
    "resnet110": lambda: resnet(18, (16, 32, 64)),
    "resnet18": lambda: torchvision("resnet18"),
    "mobilenet_v2": lambda: torchvision("mobilenet_v2"),
    "densenet121": lambda: torchvision("densenet121", growth_rate=32),
    "efficientnet_b0": lambda: torchvision("efficientnet_b0"),
}  # fmt: skip
FULL = [pytest.param(factory, id=name) for name, factory in REAL.items()]
FULL += [
    pytest.param(factory, id=name, marks=pytest.mark.slow) for name, factory in WIDE.items()
]


@pytest.mark.parametrize("factory", FULL)
def test_merged_equals_blocks_at_full_width(factory, grown, error):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    network, logits = grown(factory().double(), x, 2, full=True)
    assert torch.equal(network(x, 0), logits[0])
    assert torch.equal(network.subnetwork(1)(x), logits[1])
    assert error(network.merged()(x), torch.cat(logits, 1)) <= 1e-12
    assert network.block(1).widths == network.layout.widths  # grown by one, pruned by one


def test_norms_of_several_blocks_are_not_one_layer():
    """For tools without slices only dense layers can be written out."""
    reads = [torch.arange(2), torch.arange(2, 4)]
    layer = BlockwiseLayer([nn.LayerNorm(2), nn.LayerNorm(2)], reads, 4, None, dim=-1)
    assert layer(torch.randn(3, 4)).shape == (3, 4)
    with pytest.raises(TypeError, match="LayerNorm of several blocks is not one layer"):
        layer.dense()
