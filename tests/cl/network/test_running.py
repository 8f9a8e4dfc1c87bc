"""What runs before a column: as much of its elders as is read, with the same values."""

import pytest
import torch

from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect
from cgap_cl.network.running import elder_taps, read_of

X = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def _stream(module, **later) -> PlasticNetwork:
    """Three experiences; the column of the last one learns."""
    network = PlasticNetwork(module, X)
    births = [Birth(network.layout.widths), Birth(ancestor=0, **later), Birth(ancestor=1)]
    for label, birth in enumerate(births):
        network.sprout(label, 3, birth)
        if label < 2:
            network.merge()
    return network


def _called(network: PlasticNetwork, block: int) -> list[str]:
    """Layers of a block whose own operation runs in a forward pass of the column."""
    called: list[str] = []
    for layer in network.block(block).plastic():
        layer.own.register_forward_hook(lambda *_, name=layer.name: called.append(name))
    network.train()(X, 2)
    return called


def test_an_elder_stops_where_nothing_more_is_read(architectures):
    module = architectures["chain"]()
    layout = PlasticNetwork(module, X).layout
    first = next(iter(layout.widths))
    network = _stream(module, share={first: (0, 1)})

    read = read_of(network.all_blocks(), network.column)
    names = [layer.name for layer in network.block(0).plastic()]
    assert read == {0: {names[1]}}  # the second layer reads the units of the first
    assert _called(network, 0) == names[:1]


@pytest.mark.parametrize("name", ["chain", "residual", "concat"])
def test_elders_leave_the_same_taps_stopped_or_not(name, architectures, read):
    """Every layer reads the first block, and one the second, which reads the first."""
    network = _stream(architectures[name]())
    second = network.layout.lateral_names[0]
    connect(network.block(1).layer(second), network.block(0))
    read(network, [0])
    connect(network.column.layer(second), network.block(1))
    blocks, column = network.all_blocks(), network.column
    reads = read_of(blocks, column)
    stopped = elder_taps(X, blocks, column)
    whole = {}
    for index in sorted(reads):
        blocks[index].run(X, whole)
    assert set(reads) == {0, 1}
    for index, layers in reads.items():
        for layer in layers:
            assert torch.equal(stopped[index][layer], whole[index][layer])
