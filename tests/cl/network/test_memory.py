"""What a training step keeps in memory does not grow with the experiences behind it."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from cgap_cl import Birth, PlasticNetwork

SCRIPT = Path(__file__).parents[3] / "benchmarks/speed/memory.py"


@pytest.fixture(scope="module")
def memory():
    spec = importlib.util.spec_from_file_location("speed_memory", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["chain", "residual", "depthwise", "concat"])
def test_memory_of_a_step_at_the_tenth_experience(name, memory, architectures):
    """At most 1.2 times that at the second, plus the base's own size."""
    torch.manual_seed(0)
    x = torch.randn(64, 2, 6, 6)
    found = memory.memory_by_experience(architectures[name], x, 10)
    assert memory.ratio(found) <= 1.2
    assert found[9].saved == found[1].saved
    assert found[9].learning == found[1].learning
    assert found[9].base > found[1].base > found[0].base


def test_saved_tensors_are_counted(memory, architectures):
    """The count is no constant: it follows the batch, and leaves parameters out."""
    network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
    network.sprout(0, 10, Birth(network.layout.widths))
    small, large = (
        memory.step_memory(network, torch.randn(n, 2, 6, 6), 0).saved for n in (16, 64)
    )
    assert 3.5 < large / small < 4.1
    live = sum(p.numel() for p in network.live_parameters())
    assert memory.step_memory(network, torch.randn(16, 2, 6, 6), 0).learning == 2 * 4 * live
    column = network.column
    outputs = 16 * sum(
        column.widths[layer.outputs.segments[0].group] * network.reference.positions[layer.name]
        for layer in network.layout.layers
        if layer.name != network.layout.head
    )
    assert 0.5 * 4 * outputs < small < 3 * 4 * outputs
