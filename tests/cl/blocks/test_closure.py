"""A subnetwork holds what its head needs and nothing else."""

import pytest
import torch

from cgap_cl import Birth
from cgap_cl.blocks.closure import closure
from cgap_cl.decide import saliency

NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]


@pytest.mark.parametrize("name", NAMES)
def test_closure_is_exact(name, fresh, randomise, read):
    """Changing a unit changes some logit if and only if the subnetwork keeps it."""
    network = fresh(name)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, 2, 6, 6, dtype=torch.float64, generator=generator)
    for k in range(2):
        column = network.sprout(k, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
        read(network, range(k), start=3)
        randomise(column, generator)
        network.merge()
    kept = closure(network.all_blocks(), network.layout, 1)
    n_dropped = 0
    with torch.no_grad():
        for block in network.all_blocks():
            for group, width in block.widths.items():
                for unit in range(width):
                    needed = unit in kept.get(block.index, {}).get(group, [])
                    n_dropped += not needed
                    tries = (
                        changes(network, block, group, unit, x, generator) for _ in "12345"
                    )
                    assert any(tries) is needed  # one draw may leave a ReLU shut
    assert set(kept[1]) == set(network.layout.widths)
    assert n_dropped > 0 or name == "residual"


def changes(network, block, group, unit, x, generator):
    """Whether other weights of one unit change a logit of task 1."""
    before = network(x, 1)
    rows = [r.weight for r in saliency.unit_rows(block, group)]
    saved = [row[unit].clone() for row in rows]
    for row in rows:
        row[unit] += 30 * torch.randn(row[unit].shape, generator=generator, dtype=row.dtype)
    network._composed.clear()
    changed = not torch.equal(network(x, 1), before)
    for row, old in zip(rows, saved, strict=True):
        row[unit] = old
    network._composed.clear()
    assert torch.equal(network(x, 1), before)
    return changed
