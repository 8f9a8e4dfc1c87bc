"""QONNX files: they compute the network in its words, bit by bit."""

import builtins

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.export.fixed_point import in_words, words_for
from cgap_bench.export.plain import plain
from cgap_bench.export.qonnx_file import DOMAIN, HOW, write_qonnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx", reason=HOW)


class Residual(nn.Module):
    """A norm that nothing folds, a sum, and an average whose results are no words."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.flatten = nn.AvgPool2d(3), nn.Flatten()
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = x + self.second(self.norm(x))
        return self.head(self.flatten(self.pool(x)))


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = Residual().eval()
    network.norm.running_mean.uniform_(-0.3, 0.3)
    network.norm.running_var.uniform_(0.5, 2)
    return network


def test_the_file_computes_the_network_in_words(network, tmp_path):
    x = torch.rand(5, 1, 6, 6)
    found = write_qonnx(network, x, tmp_path / "a.qonnx", bits=12)
    graph = plain(network, x)
    assert found.words == words_for(graph, x, 12)
    # An average over nine of them falls between two words in another order of additions.
    assert found.conversion_error <= found.words.step
    difference = (in_words(graph, found.words, x) - network(x)).abs().max().item()
    assert found.rounding_error == pytest.approx(difference, abs=found.words.step)
    assert 0 < found.rounding_error < 0.1
    finer = write_qonnx(network, x, tmp_path / "b.qonnx", bits=20)
    assert finer.rounding_error < found.rounding_error / 2**6


def test_every_weight_and_every_map_passes_through_words(network, tmp_path):
    write_qonnx(network, torch.rand(1, 1, 6, 6), tmp_path / "a.qonnx", bits=12)
    model = onnx.load(tmp_path / "a.qonnx")
    quants = [node for node in model.graph.node if node.domain == DOMAIN]
    written = {name for node in quants for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "BatchNormalization", "Add", "AveragePool"):
            assert written.issuperset(node.input), node.op_type
    assert model.graph.output[0].name in written


def test_what_computes_something_else_is_refused(network, tmp_path, monkeypatch):
    from qonnx.core import onnx_exec

    real = onnx_exec.execute_onnx
    monkeypatch.setattr(
        onnx_exec, "execute_onnx", lambda *a: {k: v + 0.5 for k, v in real(*a).items()}
    )
    with pytest.raises(UsageError, match=r"does not compute this network: it is off by 0\.5"):
        write_qonnx(network, torch.rand(1, 1, 6, 6), tmp_path / "a.qonnx")
    assert not (tmp_path / "a.qonnx").exists()


def test_a_missing_package_is_told(network, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("qonnx"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'cgap-cl\[qonnx\]'"):
        write_qonnx(network, torch.rand(1, 1, 6, 6), tmp_path / "a.qonnx")
