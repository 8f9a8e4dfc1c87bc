"""States of another structure, stops and restarts: no crash, and nothing lost silently."""

import copy
import io

import pytest
import torch
from torch import nn

from cgap_cl import CGaPConfig, GrowthPolicy, Phases, PlasticNetwork
from cgap_cl.network.teacher import Teacher
from cgap_cl.train.growth import GrowthLoop

WIDE = GrowthPolicy(linear_capacity=1.0)


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_a_teacher_can_be_copied_with_a_batch_behind_it(network):
    loop = GrowthLoop(network, CGaPConfig(distillation=0.5, growth=WIDE))
    loop.sprout(0, 3)
    loop.start(4)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1)
    network.train()
    for _ in range(4):
        loss = loop.taught(network(X, 0).square().mean(), len(X))
        loss.backward()
        loop.observe()
        loop.advance(optimizer)
    network(X, 0)
    assert network.teacher is not None
    assert network.teacher.loss is not None
    assert copy.deepcopy(network).teacher.loss is None
    network.discard()
    loop.sprout(0, 3)
    assert network.teacher is None  # what was discarded teaches nobody


CONFIG = CGaPConfig(
    target_price=0.3,
    distillation=0.5,
    phases=Phases(0.2, 0.4, 0.6, growth_events=1, pruning_steps=2),
)


STEPS = 20


def make(architectures, name="chain"):
    torch.manual_seed(0)
    return PlasticNetwork(architectures[name](), torch.zeros(2, 2, 6, 6), seed_ratio=0.5)


def batch(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(8, 2, 6, 6, generator=generator)
    return x, torch.randint(3, (8,), generator=generator)


def run(network, loop, optimizer, steps, label):
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


def begin(network, label, config=CONFIG):
    loop = GrowthLoop(network, config)
    loop.sprout(label, 3)
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.05, momentum=0.9)
    loop.start(STEPS)
    return loop, optimizer


def test_the_peak_teaches_from_the_first_pruning_step_to_the_end(architectures):
    network = make(architectures)
    for label in (0, 1):
        loop, optimizer = begin(network, label)
        run(network, loop, optimizer, range(7), label)
        assert network.teacher is None
        run(network, loop, optimizer, range(7, STEPS), label)
        assert network.teacher.block.widths == loop.progress.peak.widths
        assert network.teacher.block.widths != network.column.widths
        names = [name for name, _ in network.named_parameters()]
        assert (
            len(names)
            == len({*names})
            == sum(len(list(b.parameters())) for b in network.blocks)
        )
        loop.finish(optimizer)
        assert network.teacher is None


def test_a_copy_has_nothing_to_teach_and_another_has(architectures):
    network = make(architectures, "mlp")
    network.sprout(0, 3)
    x, _ = batch(0)
    network.teacher = Teacher(copy.deepcopy(network.column), temperature=2.0, weight=0.5)
    network.train()(x, 0)
    assert network.teacher.take().item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        network.column.head.own.weight.mul_(2)
    logits = network(x, 0)
    old = network.teacher.block.run(x, {})
    target, soft = torch.log_softmax(old / 2, 1), torch.log_softmax(logits / 2, 1)
    by_hand = 4 * (target.exp() * (target - soft)).sum()
    assert network.teacher.take().item() == pytest.approx(by_hand.item(), rel=1e-4)
    assert network.teacher.take() is None


def test_only_rows_of_the_present_task_are_taught(architectures):
    network = make(architectures)
    loop, optimizer = begin(network, 0)
    loop.finish(optimizer)
    begin(network, 1)
    network.teacher = Teacher(copy.deepcopy(network.column), temperature=2.0, weight=0.5)
    network.train()
    x, _ = batch(0)
    network(x, torch.zeros(8, dtype=torch.int64))
    assert network.teacher.take() is None
    with torch.no_grad():
        network.column.head.own.weight.mul_(2)
    network.column.eval()
    network(x, torch.tensor([0, 1] * 4))
    mixed = network.teacher.take()
    network(x[1::2], 1)
    assert mixed.item() == pytest.approx(network.teacher.take().item(), rel=1e-4)


def test_training_goes_on_bitwise_from_a_checkpoint_with_a_teacher(architectures):
    network = make(architectures)
    loop, optimizer = begin(network, 0)
    run(network, loop, optimizer, range(10), 0)
    assert network.teacher is not None
    file = io.BytesIO()
    torch.save([network.state_dict(), optimizer.state_dict(), loop.state_dict()], file)
    run(network, loop, optimizer, range(10, STEPS), 0)
    file.seek(0)
    model, moments, rest = torch.load(file, weights_only=True)
    other = make(architectures)
    other.load_state_dict(model)
    again = torch.optim.SGD(other.live_parameters(), lr=0.05, momentum=0.9)
    again.load_state_dict(moments)
    resumed = GrowthLoop(other, CONFIG)
    resumed.load_state_dict(rest)
    run(other, resumed, again, range(10, STEPS), 0)
    assert other.column.widths == network.column.widths
    for one, two in zip(network.parameters(), other.parameters()):
        assert torch.equal(one, two)
