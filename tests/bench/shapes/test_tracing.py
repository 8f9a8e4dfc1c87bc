"""Layer shapes: against torch's own counter, with folding, branches and clear errors."""

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cgap_bench.errors import UsageError
from cgap_bench.learn.network import NETWORKS, build_network
from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.shapes.tracing import layer_shapes, total_macs, trace
from cgap_cl import PlasticNetwork
from cgap_hw import LayerShape


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
    assert sum(LayerShape(**layer).macs for layer in layers) == total_macs(layers)


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
    assert [layer["kind"] for layer in layers] == ["conv", "conv", "conv", "concat", "add"]
    assert [layer["inputs"] for layer in layers] == [[-1], [-1], [0, 1], [0, 1], [2, 3]]
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


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding="same", dilation=2)

    def forward(self, x):
        x = self.conv(x)
        x += x * 2
        x = nn.functional.max_pool2d(x, 2)
        x = nn.functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        return torch.cumsum(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1).softmax(1), 1)


def test_functions_are_layers_and_what_is_none_is_listed():
    workload = trace(Functional(), torch.zeros(1, 1, 8, 8))
    kinds = [layer["kind"] for layer in workload.layers]
    assert kinds == ["conv", "elementwise", "add", "pool", "pool", "pool"]
    assert [layer["pool_kind"] for layer in workload.layers[3:]] == ["max", "avg", "avg"]
    assert [layer["kernel_h"] for layer in workload.layers[3:]] == [2, 3, 4]
    assert workload.layers[0]["padding_h"] == workload.layers[0]["dilation_w"] == 2
    assert workload.layers[2]["inputs"] == [0, 1]
    assert workload.unsupported == {"function 'softmax'": 1, "function 'cumsum'": 1}
    with pytest.raises(UsageError, match="'softmax', function 'cumsum'"):
        layer_shapes(Functional(), torch.zeros(1, 1, 8, 8))


def test_a_norm_behind_an_activation_in_place_is_not_folded():
    late = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.BatchNorm2d(2))
    kinds = [layer["kind"] for layer in layer_shapes(late, torch.zeros(1, 1, 4, 4))]
    assert kinds == ["conv", "elementwise"]


class Windows(nn.Module):
    """Weights applied by a function, to windows that stand where the batch stood."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.scale = nn.Linear(2, 1)

    def forward(self, x):
        scale = self.scale(torch.ones(4, 2))  # of constants: nothing is left to do later
        windows = x.reshape(-1, 4, 4) * scale
        return nn.functional.linear(windows, self.weight)


def test_windows_are_listed_not_miscounted_and_constants_are_no_work():
    workload = trace(Windows(), torch.zeros(1, 16, 4))
    assert [layer["kind"] for layer in workload.layers] == ["elementwise"]
    assert workload.unsupported == {"function 'linear'": 1}


def test_an_activation_in_place_ends_what_a_norm_could_be_folded_into():
    class Late(nn.Sequential):
        def forward(self, x):
            return self[1](torch.relu_(self[0](x)))

    late = Late(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    kinds = [layer["kind"] for layer in layer_shapes(late, torch.zeros(1, 1, 4, 4))]
    assert kinds == ["conv", "elementwise"]


# Some that are cheap to count and differ in kind; `make test-all` counts all.
QUICK = ("squeezenet1_1", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5")
TORCHVISION = (
    *QUICK,
    *("alexnet", "vgg11", "vgg16_bn", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    *("squeezenet1_0", "densenet121", "googlenet", "inception_v3", "mobilenet_v2"),
    *("mobilenet_v3_large", "mnasnet1_0", "shufflenet_v2_x1_0", "efficientnet_b0"),
    *("regnet_y_400mf", "regnet_x_400mf", "convnext_tiny"),
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in TORCHVISION],
)
def test_counts_of_torchvision_networks_are_torchs(name):
    """MACs are those of torch's counter, weights those of the modules; nothing is left out."""
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = getattr(torchvision.models, name)(weights=None, **extra)
    x = torch.zeros(1, 3, *((299, 299) if name == "inception_v3" else (224, 224)))
    workload = trace(network, x)
    shapes = [LayerShape.model_validate(layer) for layer in workload.layers]
    assert not workload.unsupported
    assert sum(s.macs for s in shapes) == total_macs(workload.layers) == torch_macs(network, x)
    weighty = (nn.Conv2d, nn.Linear)
    weights = sum(
        m.weight.numel()
        for part, m in network.named_modules()
        if isinstance(m, weighty) and "aux" not in part.lower()
    )
    assert sum(s.n_weights for s in shapes) == weights
    if name in ("alexnet", "vgg11", "squeezenet1_0", "squeezenet1_1"):  # without batch norm
        parameters = sum(p.numel() for p in network.parameters())
        assert sum(s.parameters for s in shapes) == parameters
