"""The network of the protocols of gradient projection memory: published sizes, dropout."""

import torch
from torch import nn

from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.shapes.tracing import layer_shapes, total_macs


def test_alexnet_has_the_size_of_the_protocol():
    network = build_network(NetworkSettings(name="alexnet-gpm"), (3, 32, 32), 10)
    # By hand: 3*64*16 + 64*128*9 + 128*256*4 + 1024*2048 + 2048*2048 + 20480 + BN 2*4544.
    assert n_parameters(network) == 6_528_896
    # 29^2*3*64*16 + 12^2*64*128*9 + 5^2*128*256*4 + 1024*2048 + 2048^2 + 20480.
    macs = total_macs(layer_shapes(network, torch.zeros(1, 3, 32, 32)))
    assert macs == 22_789_120


def test_alexnet_norm_variants():
    for norm in Norm:
        network = build_network(NetworkSettings(name="alexnet-gpm", norm=norm), (3, 32, 32), 10)
        norms = [m for m in network if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert len(norms) == 5
        assert all(m.track_running_stats is (norm is not Norm.BATCH) for m in norms)


def test_dropout_scale_multiplies_the_rates():
    settings = NetworkSettings(name="alexnet-gpm", dropout_scale=0.5)
    rates = [m.p for m in build_network(settings, (3, 32, 32), 10) if isinstance(m, nn.Dropout)]
    assert rates == [0.1, 0.1, 0.25, 0.25, 0.25]
