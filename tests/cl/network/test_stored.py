"""A state that does not fit changes nothing, and costs no memory of what it claims."""

import copy
import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from cgap_cl import Birth, PlasticNetwork


def make():
    torch.manual_seed(0)
    layers = (nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
    return PlasticNetwork(nn.Sequential(*layers), torch.zeros(2, 6))


@pytest.fixture
def state():
    network = make()
    network.sprout(0, 3)
    network.merge()
    network.sprout(1, [4, 5], birth=Birth(ancestor=0))
    return copy.deepcopy(network.state_dict())


def block(state, index=0):
    return state["_extra_state"]["blocks"][index]


def put(key, value):
    return lambda state: state.update({key: value})


FIRST = "blocks.0.body.0.own.weight"
DAMAGE = {
    "another width": lambda s: block(s)["widths"].update({"0": 6}),
    "a width that no memory holds": lambda s: block(s)["widths"].update({"0": 10**9}),
    "a width that no number is": lambda s: block(s)["widths"].update({"0": 10**30}),
    "a width below one": lambda s: block(s)["widths"].update({"0": 0}),
    "a width that is none": lambda s: block(s)["widths"].update({"0": True}),
    "an unknown group": lambda s: block(s)["widths"].update({"x": 1}),
    "a label without a block": lambda s: s["_extra_state"]["labels"].append([7, 9]),
    "a label of another block": lambda s: s["_extra_state"]["labels"].__setitem__(0, [0, 1]),
    "a label too few": lambda s: s["_extra_state"]["labels"].pop(),
    "a label twice": lambda s: s["_extra_state"]["labels"].append([0, 0]),
    "a label that is none": lambda s: block(s).update(label="a"),
    "a merged block of no task": lambda s: block(s).update(label=None),
    "more merged than there are": lambda s: s["_extra_state"].update(n_merged=3),
    "two columns": lambda s: s["_extra_state"].update(n_merged=0),
    "no blocks": lambda s: s["_extra_state"].update(blocks=[], labels=[], n_merged=0),
    "blocks of no kind": lambda s: s["_extra_state"].update(blocks=3),
    "a class too many": lambda s: block(s)["classes"].append(9),
    "a class twice": lambda s: block(s).update(classes=[0, 0, 1]),
    "a class below 0": lambda s: block(s).update(classes=[-1, 1, 2]),
    "a class far away": lambda s: block(s).update(classes=[0, 1, 10**12]),
    "no classes": lambda s: block(s).update(classes=[]),
    "a lateral of a later block": lambda s: block(s)["laterals"].append(["2", 1, 3]),
    "a lateral of no layer": lambda s: block(s, 1)["laterals"].append(["x", 0, 3]),
    "a lateral without tensors": lambda s: block(s, 1)["laterals"].append(["2", 0, 3]),
    "a lateral of too much": lambda s: block(s, 1)["laterals"].append(["2", 0, 10**9]),
    "no structure": put("_extra_state", {}),
    "structure of no kind": put("_extra_state", [1]),
    "a tensor too few": lambda s: s.pop(FIRST),
    "a tensor too many": put("x", torch.zeros(2)),
    "a block too many": put("blocks.2.x", torch.zeros(2)),
    "a tensor of another size": put(FIRST, torch.zeros(7, 5)),
    "a tensor that is none": put(FIRST, [1.0]),
    "a tensor of complex numbers": put(FIRST, torch.zeros(7, 6, dtype=torch.complex64)),
    "a sparse tensor": put(FIRST, torch.zeros(7, 6).to_sparse()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("within", [False, True], ids=["alone", "in another module"])
def test_a_state_that_does_not_fit_changes_nothing(state, damage, within):
    if within and damage == "a tensor too many":
        pytest.skip("torch tells of it when all is loaded")
    network = make()
    network.sprout(3, 2)
    before = copy.deepcopy(network.state_dict())
    DAMAGE[damage](state)
    target = nn.ModuleDict({"inner": network}) if within else network
    if within:
        state = {f"inner.{key}": value for key, value in state.items()}

    limit = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20, limit[1]))
    try:
        with pytest.raises((ValueError, RuntimeError)):
            target.load_state_dict(state)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    after = network.state_dict()
    assert after.pop("_extra_state") == before.pop("_extra_state")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_positions_that_laterals_read_are_there():
    from cgap_cl.blocks.block import connect_all

    network = make()
    network.sprout(0, 3)
    network.merge()
    network.sprout(1, 2)
    connect_all(network.column, network.block(0))
    state = copy.deepcopy(network.state_dict())
    other = make()
    other.load_state_dict(state)
    assert torch.equal(other.state_dict()["blocks.1.body.2.laterals.0.index"], torch.arange(7))
    state["blocks.1.body.2.laterals.0.index"][0] = 7
    with pytest.raises(ValueError, match=r"block 1 .* positions of 'body\.2\.laterals\.0'"):
        make().load_state_dict(state)


def test_a_part_of_a_state_is_taken_where_that_is_asked_for(state):
    network = make()
    network.load_state_dict(state)
    part = {FIRST: state[FIRST] + 1}
    network.load_state_dict(part, strict=False)
    assert torch.equal(network.state_dict()[FIRST], state[FIRST] + 1)
    with pytest.raises(RuntimeError, match="missing from the state"):
        network.load_state_dict(part)
