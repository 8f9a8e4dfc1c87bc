"""What a forward pass must not do, each told as what it is."""

import pytest
import torch
from torch import nn

from cgap_cl import PlasticNetwork, UnsupportedNetworkError

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Odd(nn.Module):
    """Two convolutions and a head; something before the first, between them, at the end."""

    def __init__(self, before=lambda x: x, between=lambda x: x, end=lambda x: x):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)
        self.before, self.between, self.end = before, between, end

    def forward(self, x):
        x = self.between(self.a(self.before(x))).relu()
        return self.head(self.end(self.b(x).mean((2, 3))))


class TwoInputs(Odd):
    def forward(self, x, scale):
        return super().forward(x) * scale


REFUSED = {
    "in place": (lambda: Odd(before=lambda x: x.sub_(0.5)), "changes its input in place"),
    "noise": (lambda: Odd(between=lambda x: x + torch.randn_like(x)), "other logits for the"),
    "squeeze": (lambda: Odd(end=lambda x: x.squeeze()), r"one row: does it squeeze\(\)"),
    "two inputs": (TwoInputs, "one input alone, but there it raises TypeError"),
    "another dtype": (lambda: Odd().double(), "of torch.float32, and one input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_forward_pass_is_told_as_what_it_is(name):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedNetworkError, match=message):
        PlasticNetwork(make(), X.clone())


def test_hooks_on_layers_are_refused_and_others_kept():
    """A clamp of 0.1 behind a convolution must not become none."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
    hook = network[0].register_forward_hook(lambda m, i, y: y.clamp(-0.1, 0.1))
    with pytest.raises(UnsupportedNetworkError, match=r"'0' .*hooks"):
        PlasticNetwork(network, X)
    hook.remove()
    network[1].register_forward_hook(lambda m, i, y: y.clamp(0, 0.1))
    plastic = PlasticNetwork(network, X)
    plastic.sprout(0, 3)
    plastic.merge()
    assert float(plastic.subnetwork(0)[:2](10 * X).max()) == pytest.approx(0.1)
