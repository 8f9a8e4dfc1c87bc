"""Layers like another one: settings are kept, whatever constructor they came from."""

import torch
from torch import nn

from cgap_cl import PlasticNetwork


class Norm(nn.BatchNorm2d):
    """torch's own but for the order of its settings."""

    def __init__(self, channels, momentum=0.4, eps=1e-2):
        super().__init__(channels, eps=eps, momentum=momentum)


def test_a_norm_with_a_constructor_of_its_own_keeps_its_settings():
    network = nn.Sequential(nn.Conv2d(1, 8, 3), Norm(8), nn.Flatten(), nn.Linear(288, 3))
    norm = PlasticNetwork(network, torch.zeros(2, 1, 8, 8)).sprout(0, 3).body[1]
    assert (norm.momentum, norm.eps) == (0.4, 1e-2)
