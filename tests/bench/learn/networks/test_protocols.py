"""Networks of protocols: the published numbers of parameters."""

import pytest
import torch

from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings


@pytest.mark.parametrize(
    ("name", "shape", "n_outputs", "n_parameters"),
    [
        ("mlp-gpm", (1, 28, 28), 10, 784 * 100 + 100 * 100 + 100 * 10),
        # P-SC20: 2.99 M parameters
        ("lenet-gpm", (3, 32, 32), 5, 1500 + 25000 + 50 * 64 * 800 + 800 * 500 + 500 * 5),
        # the same by WSN's paper: 24.4 M
        (
            "lenet-apd",
            (3, 32, 32),
            5,
            25 * (3 * 64 + 64 * 128) + 128 * 64 * 2500 + 2500 * 1500 + 1500 * 5,
        ),
        # P-TIN40: 2.75 M parameters
        ("conv4-wsn", (3, 64, 64), 5, 4320 + 3 * 230400 + 160 * 16 * 640 + 640 * 640 + 640 * 5),
        # P-TIN10: conv 64 M 64 M 64 64 M 128 128 M, linear 128, 128
        (
            "vgg-small",
            (3, 64, 64),
            20,
            (27 + 3 * 576) * 64
            + (576 + 1152) * 128
            + (2048 + 128) * 128
            + 128 * 20
            + 4 * 64
            + 4 * 128
            + 20,
        ),
    ],
)
def test_protocol_networks_have_the_published_size(name, shape, n_outputs, n_parameters):
    network = build_network(NetworkSettings(name=name), shape, n_outputs)
    assert sum(p.numel() for p in network.parameters()) == n_parameters
    assert network(torch.zeros(2, *shape)).shape == (2, n_outputs)
    half = build_network(NetworkSettings(name=name, width=0.5), shape, n_outputs)
    assert half(torch.zeros(2, *shape)).shape == (2, n_outputs)
