"""Networks that cannot grow are refused before any training, by layer and reason."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from cgap_cl import PlasticNetwork, UnsupportedNetworkError


class Odd(nn.Module):
    """Convolution, whatever is given, convolution, pooling, head."""

    def __init__(self, between=lambda net, x: x, **layers):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.between = between
        self.head = nn.Linear(4, 3)
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.head(self.second(self.between(self, self.first(x)).relu()).mean((2, 3)))


class Softmax(Odd):
    """Probabilities instead of logits."""

    def forward(self, x):
        return super().forward(x).softmax(1)


class Two(Odd):
    """Logits and something else."""

    def forward(self, x):
        return super().forward(x), x


class Early(Odd):
    """The raw input comes in behind the first layer."""

    def forward(self, x):
        return self.head(torch.cat([x[:, :, 2:, 2:], self.first(x)], 1).mean((2, 3)))


def tied():
    network = Odd(lambda net, x: net.third(x), third=nn.Conv2d(4, 4, 3, padding=1))
    network.third.weight = network.second.weight
    return network


def twice():
    network = Odd(lambda net, x: net.third(x))
    network.third = network.second
    return network


def with_layer(layer):
    return nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def tokens():
    """A linear layer applied to every position, channels last."""
    first, last = nn.Conv2d(3, 4, 3), nn.Linear(20, 3)
    return nn.Sequential(first, nn.Flatten(2), nn.Linear(36, 5), nn.Flatten(), last)


def made(name, **options):
    from torchvision import models

    return getattr(models, name)(num_classes=3, **options)


class Mixer(nn.Module):
    """A product with a parameter that no layer of torch's holds."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.first.mix = nn.Module()
        self.first.mix.weight = nn.Parameter(torch.eye(4))

    def forward(self, x):
        x = torch.einsum("nchw,cd->ndhw", self.first(x), self.first.mix.weight)
        return self.head(x.mean((2, 3)))


class NormPReLU(nn.BatchNorm2d):
    """A norm that holds another layer."""

    def __init__(self, n):
        super().__init__(n)
        self.act = nn.PReLU(n)

    def forward(self, x):
        return self.act(super().forward(x))


class Across(nn.Module):
    """A norm whose groups hold channels of two layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 5, 1)
        self.norm, self.head = nn.GroupNorm(2, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.norm(torch.cat([self.a(x), self.b(x)], 1)).mean((2, 3)))


def attention(net, x):
    tokens = x.flatten(2)
    return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).view_as(x)


def vit():
    from torchvision import models

    return models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=3)


def scale(net, x):
    return x * torch.arange(4.0)[:, None, None]


UNSUPPORTED = {
    "lrn": (lambda: with_layer(nn.LocalResponseNorm(2)), "1", "LocalResponseNorm mixes"),
    "groups across layers": (Across, "norm", "groups of 4 channels do not fit the 3 that 'a'"),
    "normalize": (lambda: Odd(lambda net, x: nn.functional.normalize(x)), "(network)", "L2No"),
    "attention": (lambda: Odd(attention), "(network)", "attention mixes channels"),
    "product": (lambda: Odd(lambda net, x: x @ x.mT), "(network)", "product of two activat"),
    "a matrix of its own": (Mixer, "first.mix", "parameters of its own .'weight', .4, 4"),
    "a layer in a layer": (lambda: with_layer(NormPReLU(4)), "1.act", "inside another, '1'"),
    "multiplier": (lambda: Odd(lambda net, x: net.third(x)[:, ::2],
                               third=nn.Conv2d(4, 8, 1, groups=4)), "third", "multiplier"),
    "lstm": (lambda: Odd(third=nn.LSTM(4, 4)), "third", "LSTM mixes channels"),
    "lazy": (lambda: with_layer(nn.LazyConv2d(4, 1)), "1", "lazy"),
    "weight norm": (lambda: with_layer(weight_norm(nn.Conv2d(4, 4, 1))),
                    "1", "is not computed as torch's Conv2d is"),
    "softmax": (lambda: Odd(lambda net, x: x.softmax(1)), "first", "'second', mixes channels"),
    "spatial attention": (lambda: Odd(lambda net, x: x * x.amax(1, keepdim=True)),
                          "first", "'second', mixes channels"),
    "roll": (lambda: Odd(lambda net, x: x.roll(1, 1)), "first", "mixes channels"),
    "written-in size": (lambda: Odd(lambda net, x: x.reshape(-1, 4, 6, 6)), "second", "widths"),
    "written-in flatten": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Unflatten(1, (2, 2)),
                                                 nn.Flatten(), nn.Linear(144, 3)),
                           "3", "do not fit the units of '0'"),
    "constant per channel": (lambda: Odd(scale), "first", "other widths"),
    "used twice": (lambda: Odd(lambda net, x: net.second(x)), "second", "more than once"),
    "two names": (twice, "third", "the same module as 'second'"),
    "tied weights": (tied, "third", "shares a parameter with 'second'"),
    "never used": (lambda: Odd(third=nn.Linear(2, 2)), "third", "no part in the forward pass"),
    "positions": (tokens, "2", "it reads along places"),
    "softmax at the end": (Softmax, "head", "mixes classes"),
    "two outputs": (Two, "head", "must return logits"),
    "raw input later": (lambda: Early(head=nn.Linear(7, 3), second=nn.Identity()),
                        "head", "raw input and other layers"),
    "norm of the input": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3),
                                                nn.Flatten(), nn.Linear(144, 3)),
                          "0", "raw input"),
    "no head": (lambda: nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), "(network)", "head"),
    "nothing to grow": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "1", "nothing"),
    "vit": (vit, "encoder.layers.encoder_layer_0.self_attention", "MultiheadAttention mixes"),
    "shufflenet": (lambda: made("shufflenet_v2_x0_5"), None, "cannot be traced"),
    "googlenet with its auxiliary heads": (lambda: made("googlenet", init_weights=False),
                                           "aux1.conv.conv", "auxiliary head"),
}  # fmt: skip


@pytest.mark.parametrize(("factory", "layer", "reason"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported_networks_name_layer_and_reason(factory, layer, reason):
    """Refused when the network is made, before any training."""
    reference = factory()
    small = not hasattr(reference, "fc") and not hasattr(reference, "features")
    size = 32 if not small or hasattr(reference, "encoder") else 8
    with pytest.raises(UnsupportedNetworkError, match=reason) as caught:
        PlasticNetwork(reference, torch.zeros(2, 3, size, size))
    assert layer is None or caught.value.layer == layer
    names = {name for name, _ in reference.named_modules(remove_duplicate=False)}
    assert caught.value.layer in names - {""} | (
        {"(network)"} if layer == "(network)" else set()
    )
    assert caught.value.reason


def test_head_can_be_named_and_misnamed():
    reference = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))
    assert PlasticNetwork(reference, torch.zeros(2, 3, 2, 2), head="3").layout.head == "3"
    with pytest.raises(UnsupportedNetworkError, match="Known: 1, 3"):
        PlasticNetwork(reference, torch.zeros(2, 3, 2, 2), head="4")
