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


NORMS_OF_SHARED = {"whole", "other", "both", "upper", "second"}


class Shared(nn.Module):
    """A convolution whose output a norm reads, and something else as it is."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.whole, self.other, self.both = (nn.BatchNorm2d(n) for n in (4, 4, 8))
        self.upper, self.second = nn.BatchNorm2d(2), nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.a(x)
        first, second = y.chunk(2, 1)
        return {
            "alone": lambda: self.b(self.whole(y)),
            "skip": lambda: self.b(torch.relu(self.whole(y))) + y,
            "skip first": lambda: (y + x) * self.whole(y),
            "two norms": lambda: self.b(self.whole(y)) + self.other(y),
            "returned": lambda: (self.b(self.whole(y)), y),
            "half as it is": lambda: self.b(torch.cat([self.upper(first), second], 1)),
            "half of a norm": lambda: self.whole(y)[:, :2] + second,
            "two halves": lambda: torch.cat([self.upper(first), self.second(second)], 1),
            "joined twice": lambda: self.both(torch.cat([y, self.b(x)], 1))[:, :4] + y,
            "twice in a row": lambda: self.other(self.whole(y)),
        }[self.how]()


@pytest.mark.parametrize(
    ("how", "n_passes"),
    [
        ("alone", 0),
        ("skip", 1),
        ("skip first", 1),
        ("two norms", 2),
        ("returned", 1),
        ("half of a norm", 1),
        ("two halves", 2),
        ("half as it is", 1),
        ("joined twice", 1),
        ("twice in a row", 0),
    ],
)
def test_a_norm_is_folded_only_where_nothing_else_reads_the_raw_map(how, n_passes):
    """A pre-activation block whose skip is the raw output of a convolution, and its kind."""
    layers = layer_shapes(Shared(how), torch.zeros(1, 4, 5, 5))
    passes = [layer for layer in layers if layer["name"] in NORMS_OF_SHARED]
    assert len(passes) == n_passes
    assert {layer["kind"] for layer in passes} <= {"elementwise"}


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
        (nn.Sequential(nn.Conv3d(1, 2, 1)), r"module '0' \(Conv3d\)"),
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


def test_all_windows_are_counted_and_constants_are_no_work():
    """16 tokens of 4 values in 4 windows: 16 x 4 x 4."""
    layers = layer_shapes(Windows(), torch.zeros(1, 16, 4))
    assert [layer["kind"] for layer in layers] == ["elementwise", "conv"]
    assert total_macs(layers) == 16 * 4 * 4
    assert (layers[1]["out_h"], layers[1]["out_w"]) == (4, 4)


class Products(nn.Module):
    """Matrix products of every kind, (count, rows, depth) by (count, depth, columns)."""

    def __init__(self):
        super().__init__()
        self.one, self.many = nn.Parameter(torch.ones(7, 6)), nn.Parameter(torch.ones(5, 6, 3))

    def forward(self, x):  # (1, 5, 4, 6)
        scores = torch.einsum("nhik,nhjk->nhij", x, x)
        read = scores @ x
        same = self.one @ read.transpose(-1, -2)
        each = torch.matmul(read[0], self.many)
        return scores, same, each


def test_products_of_maps_are_apart_from_products_with_weights():
    layers = [LayerShape(**x) for x in layer_shapes(Products(), torch.zeros(1, 5, 4, 6))]
    assert [x.kind for x in layers] == ["matmul", "matmul", "conv", "conv"]
    assert [x.macs for x in layers] == [
        5 * 4 * 6 * 4,
        5 * 4 * 4 * 6,
        5 * 4 * 6 * 7,
        5 * 4 * 6 * 3,
    ]
    assert [x.n_weights for x in layers] == [0, 0, 7 * 6, 5 * 6 * 3]
    assert [x.operand_words for x in layers[:2]] == [5 * 6 * 4, 5 * 4 * 6]
    assert [x.inputs for x in layers] == [(-1,), (0, -1), (1,), (1,)]


def test_attention_is_its_projections_and_two_products():
    """580 tokens of 512 values, 4 heads."""

    class Attention(nn.Module):
        def __init__(self, weights):
            super().__init__()
            self.attention, self.weights = nn.MultiheadAttention(512, 4), weights

        def forward(self, x):
            return self.attention(x, x, x, need_weights=self.weights)[0]

    for weights in (True, False):  # two implementations in torch
        workload = trace(Attention(weights), torch.zeros(580, 1, 512))
        layers = [LayerShape(**x) for x in workload.layers]
        assert sum(x.macs for x in layers if x.n_weights) == 4 * 580 * 512 * 512 == 608_174_080
        products = [x.macs for x in layers if x.kind == "matmul"]
        assert products == [4 * 580 * 128 * 580] * 2
        assert workload.unsupported == {"function 'softmax'": 1}
        assert {x.name for x in layers} == {"attention"}


@pytest.mark.parametrize(
    ("module", "size", "macs"),
    [
        (nn.Conv1d(8, 16, 5), (1, 8, 100), 16 * 96 * 8 * 5),
        (nn.ConvTranspose2d(8, 4, 2, 2), (1, 8, 10, 10), 8 * 10 * 10 * 4 * 2 * 2),
        (nn.ConvTranspose2d(8, 4, 4, 2, 1, groups=2), (1, 8, 10, 10), 8 * 100 * 2 * 16),
        (nn.ConvTranspose2d(8, 4, 3, 2), (1, 8, 10, 10), 8 * 100 * 4 * 9),
        (nn.ConvTranspose2d(8, 4, 2, 2, dilation=2), (1, 8, 10, 10), 8 * 100 * 4 * 4),
        (nn.ConvTranspose1d(8, 4, 4, 2), (1, 8, 10), 8 * 10 * 4 * 4),
        (nn.Linear(96, 192), (4, 50, 96), 200 * 96 * 192),
        (nn.Conv2d(3, 16, 3), (8, 3, 10, 10), 8 * 16 * 64 * 27),
        (nn.LSTM(10, 20, batch_first=True), (3, 7, 10), 3 * 7 * 80 * (10 + 20)),
        (nn.GRU(10, 20, 2, bidirectional=True), (7, 1, 10), 7 * 2 * 60 * (10 + 20 + 40 + 20)),
        pytest.param(
            nn.LSTM(10, 20, proj_size=5),
            (7, 1, 10),
            7 * (80 * (10 + 5) + 20 * 5),
            marks=pytest.mark.filterwarnings("ignore:LSTM with projections"),
        ),
    ],
)
def test_counts_by_hand(module, size, macs):
    layers = [LayerShape(**x) for x in layer_shapes(module, torch.zeros(size))]
    assert sum(x.macs for x in layers) == macs
    weights = sum(p.numel() for p in module.parameters() if p.ndim > 1)
    assert sum(x.n_weights for x in layers) == weights


def test_weights_of_a_recurrence_are_read_in_every_step():
    *_, step = [LayerShape(**x) for x in layer_shapes(nn.GRU(10, 20), torch.zeros(7, 2, 10))]
    assert (step.kind, step.groups, step.out_h) == ("matmul", 7, 2)
    assert step.operand_words == 7 * step.n_weights == 7 * 60 * 20


def test_a_mean_over_channels_is_no_pool_of_maps():
    class Gate(nn.Module):
        def forward(self, x):
            return x.mean(1, keepdim=True), x.mean((2, 3)), x.mean()

    layers = [LayerShape(**x) for x in layer_shapes(Gate(), torch.zeros(1, 16, 8, 4))]
    sizes = [(x.n_in, x.in_h * x.in_w, x.kernel_h * x.kernel_w, x.output_words) for x in layers]
    assert sizes == [(1, 16 * 32, 16, 32), (16, 32, 32, 16), (1, 512, 512, 1)]


def test_a_resized_map_is_a_pass():
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    (layer,) = layer_shapes(up, torch.zeros(1, 4, 5, 6))
    assert [layer[k] for k in ("kind", "in_h", "in_w", "out_h", "out_w")] == [
        "elementwise",
        *(5, 6, 10, 12),
    ]


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
