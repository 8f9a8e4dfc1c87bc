"""Who keeps values for weights is told of every change, and where each weight has gone."""

import copy

import pytest
import torch
from torch import nn

from cgap_cl import Birth, CGaPConfig, GrowthPolicy, Phases, PlasticNetwork
from cgap_cl.train.followers import Follower, birth_map, followers_in
from cgap_cl.train.growth import GrowthLoop

CONFIG = CGaPConfig(
    target_price=0.5,
    growth=GrowthPolicy(linear_capacity=1.0),
    phases=Phases(0.3, 0.5, 0.7, growth_events=2, pruning_steps=2),
)


class Marks:
    """A number for each weight, which must be where the weight is."""

    def __init__(self):
        self.marks, self.sources = {}, []

    def follow_growth(self, change, prefix, source):
        self.sources.append((source, prefix))
        for tensor in change.tensors:
            mark = self.marks.pop(source + tensor.name, None)
            if mark is not None:
                self.marks[prefix + tensor.name] = tensor.carry(mark, newborn=-1.0)


@pytest.fixture
def net():
    torch.manual_seed(0)
    mlp = nn.Sequential(
        nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 3)
    )
    return PlasticNetwork(mlp, torch.zeros(2, 6))


def visit(loop, label, classes, steps=20):
    loop.sprout(label, classes)
    # a rate of zero: weights stay what they were born with, and tell where they are
    optimizer = torch.optim.SGD(loop.network.live_parameters(), lr=0.0)
    loop.start(steps)
    for _ in range(steps):
        loss = loop.network(torch.randn(8, 6), label).square().mean()
        loop.taught(loss, 8).backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)
    loop.finish(optimizer)


def test_marks_are_where_their_weights_are(net):
    loop, marks = GrowthLoop(net, CONFIG), Marks()
    loop.followers = followers_in([object(), marks])
    assert loop.followers == [marks]
    visit(loop, 0, 2)
    own = [(name, p) for name, p in net.named_parameters() if name.startswith("blocks.0.")]
    marks.marks = {name: p.detach().clone() for name, p in own}
    visit(loop, 0, 3)  # the label returns with one class more

    assert marks.sources[0] == ("blocks.0.", "blocks.0.")
    assert ("blocks.0.", "blocks.1.") in marks.sources
    named = dict(net.named_parameters())
    assert {name.partition("body")[0] for name in marks.marks} == {"blocks.1."}
    assert {entry["kind"] for entry in loop.history if entry["block"] == 1} > {"grow", "prune"}
    n_new = 0
    for name, mark in marks.marks.items():
        new = mark == -1.0
        assert torch.equal(mark[~new], named[name][~new])
        n_new += int(new.sum())
    assert n_new


def test_a_new_class_is_new_at_the_end_of_the_head(net):
    net.sprout(0, 2)
    net.merge()
    column = net.sprout(0, 3, Birth(ancestor=0))
    change = birth_map(net.block(0), column)
    assert {tensor.name for tensor in change.tensors} == {
        n for n, _ in column.named_parameters()
    }
    (weight,) = (t for t in change.tensors if t.axes and t.name.endswith("weight"))
    assert weight.carry(torch.ones_like(weight.old), newborn=0.0).sum(1).tolist()[-1] == 0
    assert torch.equal(weight.new[:2], weight.old)


def test_a_label_of_its_own_moves_nothing(net):
    loop, marks = GrowthLoop(net, CONFIG), Marks()
    loop.followers = [marks]
    visit(loop, 0, 2)
    n_told = len(marks.sources)
    loop.sprout(1, 2)
    assert len(marks.sources) == n_told


def test_an_older_structure_cannot_be_followed(net):
    loop = GrowthLoop(net, CONFIG)
    loop.followers = [Marks()]
    loop.sprout(0, 2)
    optimizer = torch.optim.SGD(net.live_parameters(), lr=0.1)
    loop.start(20)
    older = copy.deepcopy(net.state_dict())
    for _ in range(8):
        net(torch.randn(8, 6), 0).square().mean().backward()
        loop.observe()
        loop.advance(optimizer)
    assert loop.history[-1]["kind"] == "grow"
    net.load_state_dict(older)
    with pytest.raises(ValueError, match="a state of other widths was restored"):
        loop.advance(optimizer)


def test_what_cannot_follow_is_none():
    assert not isinstance(nn.Linear(2, 2), Follower)
