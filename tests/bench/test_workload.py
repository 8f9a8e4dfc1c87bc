"""Layer shapes: against torch's own counter, with folding, branches and clear errors."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cgap_bench.config import NetworkSettings, Norm
from cgap_bench.errors import UsageError
from cgap_bench.networks import NETWORKS, build_network
from cgap_bench.workload import layer_shapes, total_macs
from cgap_cl import PlasticNetwork

# HW from cgap_hw import LayerShape


def torch_macs(network, x):
    """Torch counts 2 FLOPs a multiply-add and no biases."""
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", NETWORKS.names())
def test_macs_equal_torchs_count(name):
    x = torch.zeros(1, 3, 32, 32)
    network = build_network(NetworkSettings(name=name), (3, 32, 32), 10)
    layers = layer_shapes(network, x)
    assert total_macs(layers) == torch_macs(network, x)
    # HW assert sum(LayerShape(**layer).macs for layer in layers) == total_macs(layers)


def test_chain_is_linked_in_order_and_norms_are_folded():
    network = build_network(NetworkSettings(name="alexnet-gpm"), (3, 32, 32), 10)
    layers = layer_shapes(network, torch.zeros(1, 3, 32, 32))
    names = " ".join(layer["name"] for layer in layers)
    assert names == "conv1 pool1 conv2 pool2 conv3 pool3 linear4 linear5 head"
    assert [layer["inputs"] for layer in layers] == [[i - 1] for i in range(9)]
    assert [layer["bias"] for layer in layers if layer["kind"] == "conv"] == [True] * 3
    assert (layers[1]["kernel_h"], layers[1]["stride_w"], layers[1]["out_h"]) == (2, 2, 14)


def test_norms_that_cannot_be_folded_are_passes():
    network = build_network(
        NetworkSettings(name="alexnet-gpm", norm=Norm.BATCH), (3, 32, 32), 10
    )
    kinds = [layer["kind"] for layer in layer_shapes(network, torch.zeros(1, 3, 32, 32))]
    assert kinds.count("elementwise") == 5
    late = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2))
    assert [s["kind"] for s in layer_shapes(late, torch.zeros(1, 1, 4, 4))] == [
        "conv",
        "elementwise",
    ]


def test_training_mode_and_statistics_are_left_as_they_were():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    network[1].eval()
    layer_shapes(network, torch.ones(1, 1, 4, 4))
    assert network.training
    assert not network[1].training
    assert int(network[1].num_batches_tracked) == 0
    assert not network[0]._forward_hooks


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
        self.norm, self.c = nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1, groups=3)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        joined = torch.relu(self.norm(torch.cat([a, b], 1)))
        return self.c(joined) + joined


def test_branches_sums_and_concatenation():
    layers = layer_shapes(Branches(), torch.zeros(1, 2, 5, 5))
    assert [layer["kind"] for layer in layers] == ["conv", "conv", "conv", "add"]
    assert [layer["inputs"] for layer in layers] == [[-1], [-1], [0, 1], [2, 0, 1]]
    assert total_macs(layers) == 25 * (2 * 3 * 9 + 2 * 3 + 6 * 6 // 3)


def test_subnetworks_of_a_plastic_network_are_traced_block_by_block():
    x = torch.zeros(1, 1, 8, 8)
    reference = build_network(NetworkSettings(name="digits-cnn"), (1, 8, 8), 2)
    network = PlasticNetwork(reference, x)
    for task in range(3):
        network.sprout(task, 2)
        network.merge()
    for task in range(3):
        subnetwork = network.subnetwork(task)
        layers = layer_shapes(subnetwork, x)
        assert total_macs(layers) == torch_macs(subnetwork, x)
        assert "elementwise" not in {layer["kind"] for layer in layers}


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 1), nn.Softmax(1)), r"module '1' \(Softmax\)"),
        (nn.Sequential(nn.ConvTranspose2d(1, 2, 1)), r"module '0' \(ConvTranspose2d\)"),
    ],
)
def test_work_without_a_shape_is_an_error_that_names_it(network, named):
    with pytest.raises(UsageError, match=named):
        layer_shapes(network, torch.zeros(1, 1, 4, 4))


def test_functions_that_do_work_are_an_error():
    class Pooled(nn.Conv2d):
        pass

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = Pooled(1, 2, 1)

        def forward(self, x):
            return nn.functional.max_pool2d(self.conv(x), 2)

    with pytest.raises(UsageError, match="max_pool2d"):
        layer_shapes(Network(), torch.zeros(1, 1, 4, 4))
