"""The paper's networks at the sizes that it reports."""

import pytest
import torch

from cgap_bench.learn.narrowed import narrow_networks
from cgap_bench.shapes.tracing import layer_shapes, total_macs
from cgap_bench.show.beside.changes import PUBLISHED


def sizes(network):
    layers = layer_shapes(network.eval(), torch.zeros(1, 3, 32, 32))
    macs = total_macs(layers)
    return {"parameters": sum(p.numel() for p in network.parameters()), "macs": macs}


@pytest.mark.parametrize("index", range(4))
def test_narrow_networks_have_the_published_sizes(index):
    """Within one point of what the paper reports, of the very networks it names."""
    pair = narrow_networks()[index]
    dense, narrow = sizes(pair.dense), sizes(pair.narrow)
    for key in ("parameters", "macs"):
        change = 100 * (narrow[key] / dense[key] - 1)
        assert change == pytest.approx(PUBLISHED[pair.benchmark][1][key], abs=1.0)
