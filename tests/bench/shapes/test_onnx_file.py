"""ONNX files: the same layers as the torch network they were exported from."""

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
    assert [s.macs for s in shapes] == [s.macs for s in expected]
    assert sum(s.parameters for s in shapes) == sum(s.parameters for s in expected)


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        onnx_shapes.onnx_workload(tmp_path / "absent.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x00not a model")
    with pytest.raises(UsageError, match="not an ONNX model"):
        onnx_shapes.onnx_workload(broken)


def test_sizes_must_be_fixed(tmp_path):
    helper, kinds = onnx.helper, onnx.TensorProto
    x = helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3, None, None])
    y = helper.make_tensor_value_info("y", kinds.FLOAT, [1, 4, None, None])
    weight = helper.make_tensor("w", kinds.FLOAT, [4, 3, 1, 1], [0.0] * 12)
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])
    graph = helper.make_graph([node], "g", [x], [y], [weight])
    path = tmp_path / "free.onnx"
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(UsageError, match="no fixed shape"):
        onnx_shapes.onnx_workload(path)
