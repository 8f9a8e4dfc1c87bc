"""Plans are checked before anything is touched, and what is born can go again."""

import pytest
import torch

from cgap_cl import Birth, Plan
from cgap_cl.change import surgery
from cgap_cl.change.newborn import FanOut, Split

NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]


@pytest.mark.parametrize("name", NAMES)
def test_newborns_that_nothing_reads_can_go_again(name, fresh, randomise):
    """Split with zero fan-out, prune the newborn: every tensor is what it was, bit for bit."""
    network = fresh(name)
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    randomise(column, torch.Generator().manual_seed(3))
    before = {
        k: v.clone() for k, v in column.state_dict().items() if isinstance(v, torch.Tensor)
    }
    surgery.apply(column, Plan(grow={g: [1] for g in column.widths}), Split(0.5, FanOut.ZERO))
    surgery.apply(column, Plan(prune={g: [2] for g in column.widths}))
    after = column.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_plans_are_checked(fresh):
    column = fresh("mlp").sprout(0, 3)
    widths = column.widths
    for plan, message in [
        (Plan(grow={"9": [0]}), "groups are 1, 3"),
        (Plan(prune={"1": [99]}), "unit 99"),
        (Plan(prune={"1": range(widths["1"])}), "no unit"),
    ]:
        with pytest.raises(ValueError, match=message):
            surgery.apply(column, plan)
    assert column.widths == widths
