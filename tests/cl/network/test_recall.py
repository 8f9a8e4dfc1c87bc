"""What a label learned before is held against what it learns now; other labels hear nothing."""

import copy
import io

import pytest
import torch
from torch import nn

from cgap_cl import CGaPConfig, Phases, PlasticNetwork
from cgap_cl.network.recall import TEMPERATURE, Recall
from cgap_cl.train.growth import GrowthLoop

CONFIG = CGaPConfig(
    target_price=0.3,
    recall=0.5,
    phases=Phases(0.2, 0.4, 0.6, growth_events=1, pruning_steps=2),
)
STEPS = 20


def batch(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(8, 2, 6, 6, generator=generator)
    return x, torch.randint(3, (8,), generator=generator)


def run(network, loop, optimizer, steps, label=0):
    network.train()
    for step in steps:
        x, y = batch(step)
        torch.manual_seed(step)  # dropout
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x, label), y)
        loop.taught(loss, len(x)).backward()
        loop.observe()
        optimizer.step()
        loop.advance(optimizer)


def returned(network):
    """A loop at the beginning of the second visit of label 0, and its optimizer."""
    loop = GrowthLoop(network, CONFIG)
    for _ in range(2):
        loop.sprout(0, 3)
        optimizer = torch.optim.SGD(network.live_parameters(), lr=0.05, momentum=0.9)
        loop.start(STEPS)
        if not network.n_merged:
            run(network, loop, optimizer, range(STEPS))
            loop.finish(optimizer)
    return loop, optimizer


def test_a_label_that_returns_is_taught_until_it_is_merged(network):
    loop, optimizer = returned(network)
    assert network.recall.index == 0
    run(network, loop, optimizer, range(STEPS))
    loop.finish(optimizer)
    assert network.recall is None
    loop.sprout(1, 3)
    assert network.recall is None  # a new label
    network.discard()
    loop.sprout(0, 3)
    assert network.recall.index == 1  # the last visit


def test_it_can_be_copied_with_a_batch_behind_it(network):
    returned(network)
    network.train()(batch(0)[0], 0)
    assert network.recall.loss is not None
    assert copy.deepcopy(network).recall.loss is None


def test_the_loss_is_that_of_hinton():
    generator = torch.Generator().manual_seed(0)
    taught = torch.randn(5, 3, generator=generator)
    recall = Recall(0, weight=0.25)
    recall.compare(taught, taught)
    assert recall.loss.item() == pytest.approx(0, abs=1e-5)
    logits = torch.cat([2 * taught, torch.randn(5, 2, generator=generator)], dim=1)
    recall.compare(logits, taught)  # classes that came later are left out
    old, new = (torch.log_softmax(v / TEMPERATURE, 1) for v in (taught, 2 * taught))
    by_hand = TEMPERATURE**2 * (old.exp() * (old - new)).sum()
    loss = torch.tensor(2.0)
    torch.testing.assert_close(recall.added(loss, 10), 0.75 * loss + 0.25 * by_hand / 10)
    assert recall.added(loss, 10) is loss  # taken once


def test_only_rows_of_the_present_task_are_taught(network):
    loop, optimizer = returned(network)
    loop.finish(optimizer)
    loop.sprout(1, 3)
    loop.finish(optimizer)
    loop.sprout(1, 3)
    network.train()
    x, _ = batch(0)
    network(x, torch.zeros(8, dtype=torch.int64))
    assert network.recall.loss is None
    with torch.no_grad():
        network.column.head.own.weight.mul_(2)
    network.column.eval()
    network(x, torch.tensor([0, 1] * 4))
    mixed = network.recall.loss
    network(x[1::2], 1)
    assert mixed.item() > 1e-4
    assert mixed.item() == pytest.approx(network.recall.loss.item(), rel=1e-4)


def test_training_goes_on_bitwise_from_a_checkpoint(network, architectures):
    loop, optimizer = returned(network)
    run(network, loop, optimizer, range(10))
    file = io.BytesIO()
    torch.save([network.state_dict(), optimizer.state_dict(), loop.state_dict()], file)
    run(network, loop, optimizer, range(10, STEPS))
    file.seek(0)
    model, moments, rest = torch.load(file, weights_only=True)
    other = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6), seed_ratio=0.5)
    other.load_state_dict(model)
    again = torch.optim.SGD(other.live_parameters(), lr=0.05, momentum=0.9)
    again.load_state_dict(moments)
    resumed = GrowthLoop(other, CONFIG)
    resumed.load_state_dict(rest)
    assert other.recall.index == 0
    run(other, resumed, again, range(10, STEPS))
    assert other.column.widths == network.column.widths
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
