"""Widths of words, read off the operators that round."""

import pytest

from cgap_bench.errors import UsageError
from cgap_hw import LayerShape

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnx_file = pytest.importorskip("cgap_bench.shapes.onnx_file")

QONNX = "qonnx.custom_op.general"


def model(nodes, constants, path, size=(1, 3, 8, 8)):
    """A file of nodes behind an input x; constants are name -> (type, size, value)."""
    helper, kinds = onnx.helper, onnx.TensorProto
    values = []
    for name, (kind, shape, value) in constants.items():
        n = 1
        for length in shape:
            n *= length
        values.append(helper.make_tensor(name, getattr(kinds, kind), shape, [value] * n))
    read = [helper.make_tensor_value_info("x", kinds.FLOAT, size)]
    written = [onnx.ValueInfoProto(name=nodes[-1].output[0])]
    written[0].type.tensor_type.elem_type = kinds.FLOAT
    graph = helper.make_graph(nodes, "g", read, written, values)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(QONNX, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def qdq(kind, zero=None):
    """x in bytes (or as `zero` says) times weights of a type, both read back as floats."""
    node = onnx.helper.make_node
    rounded = ["x", "s", zero] if zero else ["x", "s"]
    nodes = [
        node("QuantizeLinear", rounded, ["xq"]),
        node("DequantizeLinear", ["xq", "s"], ["xf"]),
        node("DequantizeLinear", ["w", "s"], ["wf"]),
        node("Conv", ["xf", "wf"], ["y"]),
    ]
    return nodes, {"s": ("FLOAT", [], 1.0), "w": (kind, [4, 3, 3, 3], 1)}


def test_maps_of_bytes_are_not_priced_as_the_narrow_weights(tmp_path):
    nodes, constants = qdq("INT4")
    workload = onnx_file.onnx_workload(model(nodes, constants, tmp_path / "a.onnx"))
    assert workload.bits == 8
    assert workload.words == "weights of 4 bits, maps of 8 bits"
    nodes, constants = qdq("INT4", "z")
    constants["z"] = ("INT4", [], 0)
    workload = onnx_file.onnx_workload(model(nodes, constants, tmp_path / "b.onnx"))
    assert (workload.bits, workload.words) == (4, "")


def test_maps_that_are_floats_are_told(tmp_path):
    nodes, constants = qdq("INT8")
    nodes = [nodes[2], onnx.helper.make_node("Conv", ["x", "wf"], ["y"])]
    workload = onnx_file.onnx_workload(model(nodes, constants, tmp_path / "a.onnx"))
    assert (workload.bits, workload.words) == (8, "weights of 8 bits, maps of floats")


def quant(read, written, bits):
    settings = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    return onnx.helper.make_node(
        "Quant", [read, "s", "z", bits], [written], domain=QONNX, **settings
    )


def test_qonnx_is_priced_at_its_words(tmp_path):
    """The roundings vanish; 36 positions of 4 x 27 products, then 4 inputs of 5."""
    node = onnx.helper.make_node
    nodes = [
        quant("x", "xq", "eight"),
        quant("w", "wq", "two"),
        node("Conv", ["xq", "wq"], ["c"]),
        node("Relu", ["c"], ["r"]),
        quant("r", "rq", "three"),
        node("GlobalAveragePool", ["rq"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("BipolarQuant", ["v", "s"], ["vq"], domain=QONNX),
        node("MatMul", ["f", "vq"], ["y"]),
    ]
    constants = {"w": ("FLOAT", [4, 3, 3, 3], 1.0), "v": ("FLOAT", [4, 5], 1.0)}
    constants |= {"s": ("FLOAT", [], 1.0), "z": ("FLOAT", [], 0.0)}
    constants |= {k: ("FLOAT", [], v) for k, v in (("two", 2), ("three", 3), ("eight", 8))}
    workload = onnx_file.onnx_workload(model(nodes, constants, tmp_path / "a.qonnx"))
    shapes = [LayerShape(**layer) for layer in workload.layers]
    assert [(x.kind, x.macs) for x in shapes if x.macs] == [
        ("conv", 36 * 4 * 27),
        ("linear", 20),
    ]
    assert not workload.unsupported
    assert workload.bits == 8
    assert workload.words == "weights of 1 and 2 bits, maps of 3 and 8 bits"


@pytest.mark.slow
def test_what_is_exported_is_priced_as_the_network(tmp_path):
    pytest.importorskip("qonnx")
    import torch
    from torch import nn

    from cgap_bench.commands.cost import cost_text
    from cgap_bench.commands.target import Target
    from cgap_bench.export.qonnx_file import write_qonnx
    from cgap_bench.shapes.sources import InputSizes, load_source
    from cgap_bench.shapes.tracing import layer_shapes

    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    ).eval()
    x = torch.rand(2, 1, 8, 8)
    write_qonnx(network, x, tmp_path / "a.qonnx", bits=12)
    found = load_source(str(tmp_path / "a.qonnx"))
    (layers,) = found.networks.values()
    wanted = [LayerShape(**layer).macs for layer in layer_shapes(network, x[:1])]
    assert [layer.macs for layer in layers] == wanted
    assert (found.bits, found.unsupported) == (12, {})
    text = cost_text(
        str(tmp_path / "a.qonnx"), Target("zcu104"), InputSizes(), as_json=False, figure=None
    )
    assert "12 bit" in text
    with pytest.raises(UsageError, match="no such file"):
        load_source(str(tmp_path / "none.qonnx"))


def test_words_of_several_widths_are_told_with_the_price(tmp_path):
    from cgap_bench.commands.cost import cost_text
    from cgap_bench.commands.explore import explore_text
    from cgap_bench.commands.target import Target
    from cgap_bench.shapes.sources import InputSizes

    nodes, constants = qdq("INT4")
    path = str(model(nodes, constants, tmp_path / "a.onnx"))
    said = "weights of 4 bits, maps of 8 bits; all priced at 8 bits"
    target = Target("zcu104")
    assert said in cost_text(path, target, InputSizes(), as_json=False, figure=None)
    assert said in explore_text(path, target, InputSizes(), 1, as_json=False)
