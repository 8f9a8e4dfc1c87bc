"""What is kept of an object comes back from a file that executes nothing."""

import copy
import io
from collections import defaultdict
from enum import StrEnum

import numpy as np
import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.plugins.clock import Clock
from avalanche.training.utils import ParamData
from torch import nn

from cgap_bench.learn.state import (
    check_stateful,
    declared,
    optimizer_state,
    packed,
    state_of,
    take_up,
    take_up_optimizer,
    unpacked,
)


def through_a_file(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        float("inf"),
        "text",
        b"bytes",
        [1, (2, "x"), {"a": [None]}],
        {(0, "layer"): 1.5, 7: {}},
        {1, 5, 3},
        frozenset({"b", "a"}),
    ],
)
def test_plain_values_come_back(value):
    again = unpacked(through_a_file(packed(value)))
    assert again == value
    assert type(again) is type(value)


def test_subclasses_come_back_as_what_they_are_made_of():
    again = through_a_file(packed([np.float64(0.25), Colour.RED, torch.Size([2, 3])]))
    assert again == [0.25, "red", (2, 3)]
    assert type(again[0]) is float
    assert type(again[1]) is str


def test_tensors_come_back_bit_for_bit_and_without_what_they_are_a_view_of():
    whole = torch.randn(1000, 1000)
    kept = packed({"row": whole[7]})
    assert kept["row"].untyped_storage().nbytes() == 4000
    assert torch.equal(through_a_file(kept)["row"], whole[7])
    assert packed(whole).data_ptr() == whole.data_ptr()


def test_generators_go_on_and_importances_keep_their_shape():
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    data = ParamData("w", init_tensor=torch.arange(6.0).view(2, 3))
    again = unpacked(through_a_file(packed([generator, data])))
    assert torch.equal(torch.rand(4, generator=again[0]), torch.rand(4, generator=generator))
    assert again[1].name == "w"
    assert torch.equal(again[1].data, data.data)
    assert again[1].expand((2, 3)) is again[1].data


@pytest.mark.parametrize("value", [object(), lambda: 0, np.zeros(2), [nn.Linear(1, 1)]])
def test_anything_else_is_refused_when_it_is_kept_not_when_it_is_needed(value):
    with pytest.raises(TypeError, match="cannot be kept in a checkpoint"):
        packed(value)


class Plain(SupervisedPlugin):
    pass


class Elder(SupervisedPlugin):
    STATE = ("count", "generator")

    def __init__(self):
        super().__init__()
        self.count, self.generator = 0, torch.Generator()


class Younger(Elder):
    STATE = ("seen",)

    def __init__(self):
        super().__init__()
        self.seen = defaultdict(dict)


def test_a_subclass_names_what_it_adds():
    assert sorted(declared(Younger())) == ["count", "generator", "seen"]
    before = Younger()
    before.count, before.seen[3]["w"] = 8, torch.ones(2)
    before.generator.manual_seed(5)
    state = through_a_file(state_of(before))
    after = Younger()
    generator = after.generator
    take_up(after, state)
    assert after.count == 8
    assert after.generator is generator  # others may draw from it
    assert after.seen[4] == {}  # still a defaultdict
    assert torch.equal(after.seen[3]["w"], torch.ones(2))
    expected = torch.rand(2, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.rand(2, generator=generator), expected)


def test_who_says_nothing_of_its_state_is_refused():
    with pytest.raises(TypeError, match="Plain does not say what training changes of it"):
        check_stateful(Plain())
    check_stateful(Clock())
    check_stateful(nn.Linear(1, 1))


def trained(model, optimizer):
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_comes_back_by_the_names_of_parameters(kind):
    options = {"lr": 0.1} | ({"momentum": 0.9} if kind is torch.optim.SGD else {})
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    first, second = model[0].parameters(), model[1].parameters()
    groups = [{"params": first}, {"params": second, "lr": 0.01}]
    optimizer = kind(groups, **options)
    trained(model, optimizer)

    kept = through_a_file(optimizer_state(optimizer, model))
    weights = through_a_file(packed(model.state_dict()))
    trained(model, optimizer)

    other = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    other.load_state_dict(weights)
    fresh = kind([{"params": other[1].parameters()}, {"params": []}], **options)
    take_up_optimizer(fresh, other, kept)
    assert [group["lr"] for group in fresh.param_groups] == [0.1, 0.01]
    trained(other, fresh)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_an_optimizer_that_holds_a_stranger_is_told_at_once():
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD([*model.parameters(), nn.Parameter(torch.zeros(7))], lr=0.1)
    with pytest.raises(ValueError, match=r"not the model's: \(7,\)"):
        optimizer_state(optimizer, model)


class Teaching(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.teacher = None

    def state_dict(self):
        return {"teacher": self.teacher and self.teacher.state_dict()}

    def load_state_dict(self, saved, model):
        self.teacher = copy.deepcopy(model)
        self.teacher.load_state_dict(saved["teacher"])


def test_a_plugin_that_keeps_a_copy_of_the_network_is_given_the_network():
    before, model = Teaching(), nn.Linear(3, 2)
    before.teacher = copy.deepcopy(model)
    after = Teaching()
    take_up(after, through_a_file(state_of(before)), nn.Linear(3, 2))
    assert torch.equal(after.teacher.weight, model.weight)
