"""ONNX files: the same layers as the torch network they were exported from."""

import math
import warnings

import pytest
import torch
import torchvision
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.shapes.tracing import trace
from cgap_hw import LayerShape

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnx_shapes = pytest.importorskip("cgap_bench.shapes.onnx_file")

COUNTED = ("n_in", "n_out", "out_h", "out_w", "kernel_h", "stride_w", "padding_h", "groups")


def export(network, x, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (x,), str(path), dynamo=False, opset_version=13)
    return path


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm, self.deep = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.late, self.head = nn.BatchNorm2d(8), nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        y = self.late(torch.relu(self.deep(x))) + x
        y = torch.cat([y, nn.functional.max_pool2d(y, 3, 1, 1)], 1)
        return torch.softmax(self.head(y.mean((2, 3))), 1)


def counted(layers):
    shapes = [LayerShape.model_validate(layer) for layer in layers]
    return [(s.kind, s.inputs, *(getattr(s, name) for name in COUNTED)) for s in shapes]


def test_layers_are_those_of_the_torch_network(tmp_path):
    x = torch.zeros(1, 3, 12, 12)
    workload = onnx_shapes.onnx_workload(export(Network(), x, tmp_path / "a.onnx"))
    traced = trace(Network(), x)
    assert counted(workload.layers)[:5] == counted(traced.layers)[:5]
    assert counted(workload.layers)[-1] == counted(traced.layers)[-1]
    assert [s["kind"] for s in workload.layers] == [s["kind"] for s in traced.layers]
    assert workload.unsupported == {"operator 'Softmax'": 1}


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", pytest.param("resnet18", marks=pytest.mark.slow)]
)
def test_macs_of_exported_networks(name, tmp_path):
    network, x = getattr(torchvision.models, name)(weights=None), torch.zeros(1, 3, 224, 224)
    workload = onnx_shapes.onnx_workload(export(network, x, tmp_path / "a.onnx"))
    shapes = [LayerShape.model_validate(layer) for layer in workload.layers]
    expected = [LayerShape.model_validate(layer) for layer in trace(network, x).layers]
    # a shortcut may stand before or after the convolutions that it goes around
    assert sorted(s.macs for s in shapes) == sorted(s.macs for s in expected)
    assert sum(s.parameters for s in shapes) == sum(s.parameters for s in expected)


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        onnx_shapes.onnx_workload(tmp_path / "absent.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x00not a model")
    with pytest.raises(UsageError, match="not an ONNX model"):
        onnx_shapes.onnx_workload(broken)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(512, 4)

    def forward(self, x):
        return self.attention(x, x, x)[0]


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return x * torch.sigmoid(x.mean(1, keepdim=True))


class Flat(nn.Module):
    """Tokens of all items one after the other."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(96, 192)

    def forward(self, x):
        return self.linear(x.flatten(0, 1))


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.many = nn.Parameter(torch.ones(5, 6, 3))

    def forward(self, x):  # (1, 5, 4, 6)
        return torch.einsum("nhik,nhjk->nhij", x, x), x @ self.many


PROJECTIONS = 580 * 512 * 512 * 4
EXPORTED = {
    "attention": (Attention(), (580, 1, 512), PROJECTIONS + 2 * 4 * 580 * 128 * 580),
    "tokens": (Flat(), (4, 50, 96), 200 * 96 * 192),
    "mean over channels": (Mean(), (1, 3, 32, 32), 442_368),
    "1-D": (nn.Conv1d(8, 16, 5), (1, 8, 100), 16 * 96 * 8 * 5),
    "transposed": (nn.ConvTranspose2d(8, 4, 2, 2), (1, 8, 10, 10), 8 * 10 * 10 * 4 * 2 * 2),
    "batch": (nn.Conv2d(3, 16, 3), (8, 3, 10, 10), 8 * 16 * 64 * 27),
    "batch of vectors": (nn.Linear(96, 192), (8, 96), 8 * 96 * 192),
    "lstm": (nn.LSTM(10, 20, batch_first=True), (3, 7, 10), 3 * 7 * 80 * 30),
    "gru": (nn.GRU(10, 20, 2, bidirectional=True), (7, 2, 10), 14 * 2 * 60 * (30 + 60)),
    "products": (Sum(), (1, 5, 4, 6), 5 * 4 * 6 * 4 + 5 * 4 * 6 * 3),
}


@pytest.mark.filterwarnings("ignore:Exporting a model to ONNX")
@pytest.mark.parametrize("name", EXPORTED)
def test_counts_by_hand(name, tmp_path):
    """And as the traced network: MACs, weights, words that products read."""
    network, size, macs = EXPORTED[name]
    path = export(network, torch.zeros(size), tmp_path / "a.onnx")
    workload = onnx_shapes.onnx_workload(path)
    layers, traced = (
        [LayerShape.model_validate(x) for x in one.layers]
        for one in (workload, trace(network, torch.zeros(size)))
    )
    assert sum(x.macs for x in layers) == macs == sum(x.macs for x in traced)
    assert sum(x.n_weights for x in layers) == sum(x.n_weights for x in traced)
    assert sum(x.operand_words for x in layers) == sum(x.operand_words for x in traced)
    assert list(workload.unsupported.values()) == [1] * (name == "attention")  # the softmax
    assert workload.inputs == {next(iter(workload.inputs)): size}


def test_a_mean_over_channels_is_no_pool_of_maps(tmp_path):
    path = export(Mean(), torch.zeros(1, 3, 32, 32), tmp_path / "a.onnx")
    pool = LayerShape(**onnx_shapes.onnx_workload(path).layers[1])
    assert (pool.kind, pool.n_in * pool.in_h * pool.in_w) == ("pool", 16 * 32 * 32)
    assert (pool.kernel_h * pool.kernel_w, pool.output_words) == (16, 32 * 32)


def model(nodes, inputs, constants, path, opset=21):
    """A file of nodes; constants are name -> (type, size)."""
    helper, kinds = onnx.helper, onnx.TensorProto
    values = [
        helper.make_tensor(name, getattr(kinds, kind), size, [1] * math.prod(size))
        for name, (kind, size) in constants.items()
    ]
    read = [
        helper.make_tensor_value_info(name, getattr(kinds, kind), size)
        for name, (kind, size) in inputs.items()
    ]
    written = [onnx.ValueInfoProto(name=nodes[-1].output[0])]
    written[0].type.tensor_type.elem_type = kinds.FLOAT
    graph = helper.make_graph(nodes, "g", read, written, values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


SCALE = {"s": ("FLOAT", []), "z": ("UINT8", []), "zs": ("INT8", [])}


def quantised():
    """Nodes and constants of a convolution or product in words of few bits; MACs and bits."""
    node = onnx.helper.make_node
    weight, matrix = {"w": ("INT8", [4, 3, 3, 3])}, {"w": ("INT8", [6, 5])}
    linear = ["x", "s", "z", "w", "s", "zs", "s", "z"]
    macs = 4 * 36 * 27
    return {
        "QLinearConv": ([node("QLinearConv", linear, ["y"])], SCALE | weight, macs, 8),
        "ConvInteger": ([node("ConvInteger", ["x", "w"], ["y"])], weight, macs, 8),
        "QLinearMatMul": ([node("QLinearMatMul", linear, ["y"])], SCALE | matrix, 1440, 8),
        "MatMulInteger": ([node("MatMulInteger", ["x", "w"], ["y"])], matrix, 1440, 8),
        "QDQ": (_qdq(), SCALE | weight, macs, 8),
        "QDQ, 4 bits": (_qdq(), _narrow("INT4", "UINT4"), macs, 4),
        "QDQ, 2 bits": (_qdq(), _narrow("INT2", "UINT2"), macs, 2),
    }


def _narrow(signed, unsigned):
    return {
        "s": SCALE["s"],
        "z": (unsigned, []),
        "zs": (signed, []),
        "w": (signed, [4, 3, 3, 3]),
    }


def _qdq():
    """x is quantised and multiplied with quantised weights, both read back as floats."""
    node = onnx.helper.make_node
    return [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        node("DequantizeLinear", ["w", "s", "zs"], ["wf"]),
        node("Conv", ["xf", "wf"], ["y"]),
    ]


@pytest.mark.parametrize("form", quantised())
def test_quantised_forms_are_priced_at_their_bits(form, tmp_path):
    nodes, constants, macs, bits = quantised()[form]
    kind = "FLOAT" if form.startswith("QDQ") else "UINT8"
    x = {
        "x": (
            kind,
            [1, 3, 8, 8] if "w" in constants and len(constants["w"][1]) == 4 else [48, 6],
        )
    }
    opset = 25 if bits == 2 else 21
    workload = onnx_shapes.onnx_workload(model(nodes, x, constants, tmp_path / "a.onnx", opset))
    assert sum(LayerShape(**layer).macs for layer in workload.layers) == macs
    assert not workload.unsupported
    assert (workload.bits, workload.words) == (bits, "")


@pytest.mark.parametrize(
    ("size", "settings"),
    [((2, 4, 10, 16), {}), ((2, 10, 64), {"q_num_heads": 4, "kv_num_heads": 4})],
)
def test_attention_as_one_operator_is_its_two_products(size, settings, tmp_path):
    node = onnx.helper.make_node("Attention", ["x", "x", "x"], ["y"], **settings)
    path = model([node], {"x": ("FLOAT", size)}, {}, tmp_path / "a.onnx", 23)
    workload = onnx_shapes.onnx_workload(path)
    shapes = [LayerShape(**layer) for layer in workload.layers]
    assert [(x.kind, x.macs) for x in shapes] == [("matmul", 8 * 10 * 16 * 10)] * 2
    assert workload.unsupported == {"operator 'Softmax'": 1}


def test_what_is_not_known_is_named_with_its_kind(tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Conv", ["a", "v"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[1, 1, 1]),
        node("Det", ["c"], ["y"]),
    ]
    constants = {"w": ("FLOAT", [4, 3, 1, 1, 1]), "v": ("FLOAT", [4, 4, 1, 1, 1])}
    path = model(nodes, {"x": ("FLOAT", [1, 3, 4, 4, 4])}, constants, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="'3-D Conv', operator '3-D MaxPool', operator 'Det'"):
        onnx_shapes.onnx_workload(path)


@pytest.mark.parametrize(("second", "n_passes"), [(["b", "b"], 0), (["b", "a"], 1)])
def test_a_norm_is_folded_only_where_nothing_else_reads_the_raw_map(second, n_passes, tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("BatchNormalization", ["a", "s", "o", "m", "v"], ["b"]),
        node("Add", second, ["y"]),
    ]
    constants = dict.fromkeys("somv", ("FLOAT", [4])) | {"w": ("FLOAT", [4, 3, 1, 1])}
    path = model(nodes, {"x": ("FLOAT", [1, 3, 4, 4])}, constants, tmp_path / "a.onnx")
    kinds = [layer["kind"] for layer in onnx_shapes.onnx_workload(path).layers]
    assert kinds == ["conv", *["elementwise"] * n_passes, "add"]


def test_a_resized_map_is_a_pass(tmp_path):
    node = onnx.helper.make_node("Resize", ["x", "", "", "n"], ["y"])
    sizes = onnx.helper.make_tensor("n", onnx.TensorProto.INT64, [4], [1, 4, 10, 12])
    path = model([node], {"x": ("FLOAT", [1, 4, 5, 6])}, {}, tmp_path / "a.onnx")
    file = onnx.load(path)
    file.graph.initializer.append(sizes)
    onnx.save(file, path)
    (layer,) = onnx_shapes.onnx_workload(path).layers
    shape = LayerShape(**layer)
    assert (shape.kind, shape.in_h, shape.out_h, shape.output_words) == (
        "elementwise",
        *(5, 10, 480),
    )


def open_sizes(path):
    """A convolution whose image may be of any size, one item of many."""
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    return model(
        [node], {"x": ("FLOAT", ["n", 3, "h", "w"])}, {"w": ("FLOAT", [4, 3, 1, 1])}, path
    )


def test_open_sizes_are_asked_for_and_given(tmp_path):
    path = open_sizes(tmp_path / "free.onnx")
    with pytest.raises(UsageError, match=r"'x' .*\(n x 3 x h x w\); .* x=1,3,224,224"):
        onnx_shapes.onnx_workload(path)
    for size in ((1, 3, 10, 20), (2, 3, 10, 20)):
        workload = onnx_shapes.onnx_workload(path, {"x": size})
        assert sum(LayerShape(**x).macs for x in workload.layers) == size[0] * 200 * 12
        assert workload.inputs == {"x": size}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"y": (1, 3, 8, 8)}, "unknown input of .*free.onnx 'y'"),
        ({"x": (3, 8, 8)}, "'x' has 4 dimensions .*, got 3"),
        ({"x": (1, 5, 8, 8)}, "reads 5 channels with weights for 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(given, named, tmp_path):
    with pytest.raises(UsageError, match=named) as refused:
        onnx_shapes.onnx_workload(open_sizes(tmp_path / "free.onnx"), given)
    assert "free.onnx" in str(refused.value)


def test_an_open_batch_is_one_item(tmp_path):
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"])
    x, w = {"x": ("FLOAT", ["n", 6])}, {"w": ("FLOAT", [6, 5])}
    workload = onnx_shapes.onnx_workload(model([node], x, w, tmp_path / "a.onnx"))
    assert workload.inputs == {"x": (1, 6)}
    assert [layer["kind"] for layer in workload.layers] == ["linear"]
