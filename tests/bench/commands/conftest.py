"""Commands called as a user would, and what they read."""

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_hw import LayerShape, network_cost, write_shapes
from cgap_hw.boards.catalogue import on_board

HEADER = (
    "accelerator,network,layer_name,layer_type,nif,nof,nix,niy,nox,noy,nkx,nky,stride,"
    "pad_left,pad_top,latency_ns\n"
)


@pytest.fixture
def run():
    """The command line: words in, click's result out."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def layers():
    """A convolution and a linear layer."""
    area = {"in_h": 20, "in_w": 20, "out_h": 20, "out_w": 20}
    window = {"kernel_h": 3, "kernel_w": 3, "padding_h": 1, "padding_w": 1}
    return [
        LayerShape(name="conv", kind="conv", n_in=16, n_out=40, **area, **window),
        LayerShape(name="head", kind="linear", n_in=16000, n_out=10),
    ]


@pytest.fixture
def network(layers, tmp_path):
    """The same as a file."""
    path = tmp_path / "net.json"
    write_shapes(layers, path)
    return path


@pytest.fixture
def measured(tmp_path):
    """Factory of CSVs of layers timed on a model of an accelerator, all slower by a factor."""

    def make(name, accelerator, factor=1.0):
        lines = [HEADER]
        board = on_board(accelerator)
        for i, (n_in, n_out, n) in enumerate([(64, 64, 28), (128, 256, 14), (64, 128, 56)]):
            area = {"in_h": n, "in_w": n, "out_h": n, "out_w": n}
            window = {"kernel_h": 3, "kernel_w": 3, "padding_h": 1, "padding_w": 1}
            shape = LayerShape(
                name=f"c{i}", kind="conv", n_in=n_in, n_out=n_out, **area, **window
            )
            time = network_cost([shape], board).timing.latency_ns[0] * factor
            sizes = f"{n_in},{n_out},{n},{n},{n},{n},3,3,1,1,1"
            lines.append(f"{accelerator},n,c{i},Conv,{sizes},{time:.3f}\n")
        path = tmp_path / name
        path.write_text("".join(lines))
        return path

    return make


@pytest.fixture
def quantised(tmp_path):
    """An ONNX file in words of 4 bits, with a softmax that has no price: x is (n, 6)."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    helper, kinds = onnx.helper, onnx.TensorProto
    constants = [
        helper.make_tensor("w", kinds.INT4, [6, 5], [1] * 30),
        helper.make_tensor("s", kinds.FLOAT, [], [1]),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["wf"]),
        helper.make_node("MatMul", ["x", "wf"], ["a"]),
        helper.make_node("Softmax", ["a"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, kinds.FLOAT, ["n", n])
        for name, n in (("x", 6), ("y", 5))
    )
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), path)
    return path
