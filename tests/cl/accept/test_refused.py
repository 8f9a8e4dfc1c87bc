"""Networks that are not what they look are refused, by layer and reason."""

import pytest
import torch
from torch import nn

from cgap_cl import (
    PlasticNetwork,
    UnsupportedNetworkError,
)

X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


class Standardised(nn.Conv2d):
    """Weight standardisation: another function than a plain convolution's."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Written(nn.Module):
    """A network whose forward pass is a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def conv(n_in, n_out, kind=nn.Conv2d):
    return kind(n_in, n_out, 3, padding=1)


REFUSED = {
    "a subclass that computes something else": (
        lambda: nn.Sequential(conv(2, 4, Standardised), nn.Flatten(), nn.Linear(144, 3)),
        "'0' .*Standardised is not computed as torch's Conv2d",
    ),
    "spectral norm": (
        lambda: nn.Sequential(
            nn.utils.spectral_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*weights that are computed",
    ),
    "a parametrisation": (
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(conv(2, 4)), nn.Flatten(), nn.Linear(144, 3)
        ),
        "'0' .*is not computed as torch's Conv2d",
    ),
    "one gate for all channels": (
        lambda: Written(
            _gated,
            a=conv(2, 4), g=nn.Conv2d(4, 1, 1), h=nn.Linear(4, 3),
        ),
        "'g' .*one channel broadcast over many",
    ),
    "a size asked of a layer": (
        lambda: Written(
            lambda net, x: net.h(net.a(x).mean((2, 3)).view(-1, net.h.in_features)),
            a=conv(2, 4), h=nn.Linear(4, 3),
        ),
        "'a' .*asked of a layer",
    ),
    "an input by keyword": (
        lambda: Written(
            lambda net, x: net.h(net.a(input=x).mean((2, 3))), a=conv(2, 4), h=nn.Linear(4, 3)
        ),
        "'a' .*keyword argument",
    ),
}  # fmt: skip


def _gated(net, x):
    x = net.a(x)
    return net.h((x * net.g(x).sigmoid()).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_would_become_others_are_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedNetworkError, match=message):
        PlasticNetwork(make(), X)


def test_a_head_that_is_none_is_refused(architectures):
    with pytest.raises(UnsupportedNetworkError, match=r"'1' .*a linear layer or a convolution"):
        PlasticNetwork(architectures["chain"](), X, head="1")
