"""Maps with channels last stay so through what a block reads of another one."""

import pytest
import torch
from torch import nn

from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import PlasticLayer
from cgap_cl.blocks.blockwise import BlockwiseLayer
from cgap_cl.blocks.picking import picked

LAST = torch.channels_last


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 5), torch.contiguous_format),
        ((2, 5, 3), torch.contiguous_format),
        ((2, 5, 3, 4), torch.contiguous_format),
        ((2, 5, 3, 4), LAST),
        ((2, 5, 3, 4, 2), torch.contiguous_format),
        ((2, 5, 3, 4, 2), torch.channels_last_3d),
    ],
)
def test_picked_positions_are_in_the_same_memory_order(shape, order):
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=order)
    index = torch.tensor([0, 2, 4])
    y = picked(x, 1, index)
    assert torch.equal(y, x.index_select(1, index))
    assert y.is_contiguous(memory_format=order)
    torch.autograd.gradcheck(lambda z: picked(z, 1, index), x.requires_grad_())


@pytest.mark.parametrize("order", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("share", [(0, 2, 3), (0, 1, 2, 4, 5)], ids=["three own", "one own"])
def test_a_column_that_reads_its_elder_keeps_the_order_of_its_input(order, share):
    """A map of one channel has either order, so the layer's own part may be in the other."""
    torch.manual_seed(0)
    layers = []
    for n_in in (2, 6, 6):
        layers += [nn.Conv2d(n_in, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(6 * 36, 3))
    x = torch.randn(4, 2, 6, 6)
    network = PlasticNetwork(module, x)
    first = next(iter(network.layout.widths))
    network.sprout(0, 3, Birth(network.layout.widths))
    network.merge()
    network.sprout(1, 3, Birth(ancestor=0, share={first: share}))
    seen = _orders_in(network.column, order)
    x = x.contiguous(memory_format=order)
    network.train()(x, 1)
    assert len(seen) == 9 + 1  # nine layers, and what one of them reads besides
    assert all(seen.values()), seen

    network.merge()
    alone = network.subnetwork(1)
    seen = _orders_in(alone, order)
    alone(x)
    assert len(seen) >= 9
    assert all(seen.values()), seen


@pytest.mark.parametrize("order", [torch.contiguous_format, LAST])
def test_a_layer_of_several_blocks_keeps_the_order_of_its_input(order):
    ops = [nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)]
    reads = [torch.tensor([0, 3]), torch.tensor([0, 1, 3])]
    layer = BlockwiseLayer(ops, reads, 4, order=torch.tensor([3, 0, 1, 4, 2]))
    read = []
    for op in ops:
        op.register_forward_pre_hook(lambda _, args: read.extend(args))
    y = layer(torch.randn(5, 4, 6, 6).contiguous(memory_format=order))
    assert [x.is_contiguous(memory_format=order) for x in (*read, y)] == [True] * 3


def _orders_in(module, order):
    """Layer -> whether the map that it gives has that order, once it has run."""
    seen = {}
    for name, layer in module.named_modules():
        whole = isinstance(layer, PlasticLayer) or not list(layer.children())
        if whole and not name.endswith(".own"):
            layer.register_forward_hook(
                lambda _, __, y, name=name: (
                    seen.update({name: y.is_contiguous(memory_format=order)})
                    if y.dim() == 4
                    else None
                )
            )
    return seen
