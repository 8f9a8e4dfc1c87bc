"""Memories and what is done with them: budgets, projections, distillation, class means."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from cgap_bench.learn.methods.rehearsal.gem import GEM, AveragedGEM, nearest
from cgap_bench.learn.methods.rehearsal.icarl import ICaRL, herded
from cgap_bench.learn.methods.rehearsal.lwf import (
    LearningWithoutForgetting,
    all_outputs,
    distillation,
)
from cgap_bench.learn.methods.rehearsal.memory import (
    BalancedMemory,
    Reservoir,
    examples,
    rows_by_class,
)
from cgap_bench.learn.methods.rehearsal.replay import DarkExperience, Replay
from cgap_bench.learn.multi_head import MultiHead


def filled(toy, size, n=3, labelled=True):
    memory = BalancedMemory(size)
    for experience in list(toy.stream(labelled))[:n]:
        memory.add(experience.dataset, "cpu")
    return memory


@pytest.mark.parametrize("labelled", [True, False])
def test_a_balanced_memory_has_equally_many_of_each_class_of_each_experience(toy, labelled):
    memory = filled(toy, 20, labelled=labelled)
    keys = memory.keys()
    assert len(keys) == 18  # six classes, three each; two places stay empty
    assert {key: keys.count(key) for key in keys} == dict.fromkeys(keys, 3)
    assert {came for came, *_ in keys} == {0, 1, 2}
    assert {label for _, label, _ in keys} == ({0, 1, 2} if labelled else {0})


def test_it_keeps_images_with_their_targets(toy):
    content = filled(toy, 12).content
    for x, y, label in zip(content.x, content.y, content.labels, strict=True):
        images, targets = toy.data(int(label))
        (row,) = (images == x).flatten(1).all(1).nonzero().flatten().tolist()
        assert targets[row] == y


def test_those_that_stay_were_there_before(toy):
    before = filled(toy, 12, n=1).content
    after = filled(toy, 12, n=2).content
    old = after.rows(after.experiences == 0)
    assert len(old) == 6
    for x in old.x:
        assert (before.x == x).flatten(1).all(1).any()


def test_a_memory_too_small_is_refused(toy):
    with pytest.raises(ValueError, match="6 classes do not fit in a memory of size=5"):
        filled(toy, 5)
    with pytest.raises(ValueError, match="size=0"):
        BalancedMemory(0)


def test_draws_are_without_repetition_and_go_on_after_a_restart(toy):
    memory, copy = filled(toy, 18), BalancedMemory(18, seed=5)
    copy.load_state_dict(memory.state_dict())
    one, two = memory.draw(10), copy.draw(10)
    assert torch.equal(one.x, two.x)
    assert len(torch.unique(one.x.flatten(1), dim=0)) == 10
    assert len(memory.draw(100)) == 18


def test_a_reservoir_holds_each_image_with_equal_probability():
    """300 runs over 40 images in batches of 7, memory of 10: each is kept with 1 in 4."""
    count = torch.zeros(40)
    for seed in range(300):
        memory = Reservoir(10, seed)
        for rows in torch.arange(40).split(7):
            y = rows.clone()
            memory.see(examples([rows[:, None].float(), y, torch.zeros_like(y)]))
        assert len(memory) == 10
        assert torch.equal(memory.content.x[:, 0].long(), memory.content.y)
        count[memory.content.y] += 1
    # standard deviation of a count: sqrt(300 * 1/4 * 3/4) = 7.5
    assert (count - 75).abs().max() < 4.5 * 7.5
    assert (count[:10].mean() - count[30:].mean()).abs() < 4 * 7.5 * (2 / 10) ** 0.5


def test_replay_joins_old_images_to_a_batch(toy):
    plugin = Replay(filled(toy, 12, n=1), batch_size=5, augment=lambda x: x + 100)
    x, y = toy.data(1, n=8)
    strategy = SimpleNamespace(mbatch=[x, y, torch.ones(8, dtype=torch.long)], mb_y=y)
    plugin.before_training_iteration(strategy)
    images, targets, labels = strategy.mbatch
    assert images.shape == (13, 2, 4, 4)
    assert torch.equal(images[:8], x)
    assert images[8:].min() > 50
    assert labels.tolist() == [1] * 8 + [0] * 5
    assert len(targets) == 13


def heads(toy):
    torch.manual_seed(0)
    return MultiHead(toy.chain(), range(toy.n_tasks), rehearses=True)


def remembered(toy, plugins):
    """Mean accuracy on the first two of three domains under one head, after all."""
    torch.manual_seed(0)
    model = MultiHead(toy.chain(), [0], rehearses=True)
    strategy = toy.strategy(model, plugins, epochs=10, lr=0.05)
    for experience in toy.stream(labelled=False):
        strategy.train(experience)
    network = model.network_for(0)
    return sum(toy.accuracy(toy.logits(network, task), task) for task in (0, 1)) / 2


REHEARSING = {
    "replay": lambda: Replay(BalancedMemory(30)),
    "der++": lambda: DarkExperience(Reservoir(60), alpha=1.0, beta=1.0),
    "gem": lambda: GEM(BalancedMemory(30)),
}


@pytest.mark.parametrize("name", REHEARSING)
def test_it_remembers_better_than_plain_training(toy, name):
    assert remembered(toy, [REHEARSING[name]()]) > remembered(toy, []) + 0.1


def test_lwf_keeps_the_outputs_of_old_heads_on_new_images(toy):
    def drift(plugins):
        model = heads(toy)
        strategy = toy.strategy(model, plugins, epochs=10, lr=0.02)
        stream = toy.stream()
        torch.manual_seed(1)
        strategy.train(stream[0])
        before = toy.logits(model.network_for(0), 1).softmax(1)
        strategy.train(stream[1])
        assert toy.accuracy(toy.logits(model.network_for(1), 1), 1) > 0.95
        return float((toy.logits(model.network_for(0), 1).softmax(1) - before).abs().mean())

    assert drift([LearningWithoutForgetting(strength=2.0)]) < 0.5 * drift([])


def test_der_matches_the_outputs_that_the_network_had(toy):
    model = heads(toy)
    model.eval()
    plugin = DarkExperience(Reservoir(16), alpha=2.0, beta=0.0, batch_size=16)
    x, y = toy.data(0, n=16)
    labels = torch.zeros(16, dtype=torch.long)
    strategy = SimpleNamespace(
        model=model,
        mbatch=[x, y, labels],
        mb_y=y,
        mb_output=model(x, labels),
        loss=torch.zeros(()),
    )
    plugin.before_backward(strategy)
    assert strategy.loss == 0  # nothing is remembered yet
    plugin.after_update(strategy)
    plugin.before_backward(strategy)
    assert float(strategy.loss.detach()) == pytest.approx(0, abs=1e-10)
    with torch.no_grad():
        model.heads["0"].bias.add_(0.5)
    plugin.before_backward(strategy)
    assert float(strategy.loss.detach()) == pytest.approx(2.0 * 0.25, rel=1e-5)


def test_agem_leaves_no_component_against_the_memory(toy):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    memory = filled(toy, 20, n=1, labelled=False)
    old = memory.content

    def loss(x, y):
        return nn.functional.cross_entropy(model(x), y)

    loss(old.x, old.y).backward()
    against = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    loss(old.x, 1 - old.y).backward()  # a batch with the opposite targets
    before = sum((p.grad * against[name]).sum() for name, p in model.named_parameters())
    assert before < 0
    AveragedGEM(memory).after_backward(SimpleNamespace(model=model))
    after = sum((p.grad * against[name]).sum() for name, p in model.named_parameters())
    assert float(after) == pytest.approx(0, abs=1e-5)


def test_gem_finds_the_nearest_gradient_that_hurts_nobody():
    torch.manual_seed(0)
    for _ in range(20):
        gradient, constraints = torch.randn(6), torch.randn(3, 6)
        found = nearest(gradient, constraints, 0.0)
        assert (constraints @ found).min() > -1e-4
        # optimality: the change is a non-negative mix of the constraints that are active
        mix = torch.linalg.lstsq(constraints.T, found - gradient).solution
        assert mix.min() > -1e-4
        assert ((constraints @ found) * mix).abs().max() < 1e-3


def test_gem_solves_the_quadratic_program_of_its_authors():
    quadprog = pytest.importorskip("quadprog")
    torch.manual_seed(0)
    gradient, constraints, margin = torch.randn(8).double(), torch.randn(3, 8).double(), 0.5
    products = (constraints @ constraints.T).numpy()
    dual, *_ = quadprog.solve_qp(
        products, -(constraints @ gradient).numpy(), np.eye(3), np.full(3, margin)
    )
    expected = gradient + torch.from_numpy(dual) @ constraints
    assert torch.allclose(nearest(gradient, constraints, margin), expected, atol=1e-5)


def test_gem_keeps_one_constraint_for_each_experience_of_a_single_head(toy):
    memory = filled(toy, 18, labelled=False)
    assert memory.content.experiences.unique().tolist() == [0, 1, 2]


def test_distillation_is_that_of_hinton():
    """Gradient T (softmax(z / T) - softmax(taught / T)) / N on the classes that count."""
    torch.manual_seed(0)
    logits = torch.randn(5, 4, requires_grad=True)
    taught, classes, t = torch.randn(5, 4), [0, 2], 3.0
    distillation(logits, taught, classes, t).backward()
    expected = (logits[:, classes] / t).softmax(1) - (taught[:, classes] / t).softmax(1)
    assert torch.allclose(logits.grad[:, classes], t * expected.detach() / 5, atol=1e-6)
    assert (logits.grad[:, [1, 3]] == 0).all()


def test_new_classes_are_pushed_down_where_the_teacher_does_not_know_them():
    """Gradient T (softmax over all - target) / N, the target of a new class being 0."""
    torch.manual_seed(0)
    logits = torch.randn(5, 4, requires_grad=True)
    taught, t = torch.randn(5, 4), 2.0
    distillation(logits, taught, [0, 1], t, [3]).backward()
    expected = (logits[:, [0, 1, 3]] / t).softmax(1).detach()
    expected[:, :2] -= (taught[:, :2] / t).softmax(1)
    assert torch.allclose(logits.grad[:, [0, 1, 3]], t * expected / 5, atol=1e-6)
    assert (logits.grad[:, 2] == 0).all()


@pytest.mark.parametrize(("labelled", "factor"), [(True, 1.0), (False, 2.0)])
def test_lwf_weighs_old_experiences_by_their_number_under_one_label(toy, labelled, factor):
    """L / N + (1 - 1 / N) * (mean over old heads) is L + (sum of them), up to a factor N."""
    stream, model = toy.stream(labelled), heads(toy) if labelled else toy.chain()
    plain, weighed = LearningWithoutForgetting(), LearningWithoutForgetting(by_experiences=True)
    strategy = toy.strategy(model, [plain], epochs=1)
    strategy.train(stream[0])
    strategy.train(stream[1])
    weighed.load_state_dict(plain.state_dict(), model)

    x, y = toy.data(2)
    labels = torch.full((64,), 2 if labelled else 0)
    losses = []
    for plugin in (plain, weighed):
        batch = SimpleNamespace(
            model=model,
            mb_x=x,
            mb_y=y,
            mb_task_id=labels,
            loss=torch.zeros(()),
            experience=stream[2],
        )
        plugin.before_backward(batch)
        losses.append(float(batch.loss.detach()))
    assert losses[0] > 0
    assert losses[1] == pytest.approx(factor * losses[0])


def test_the_teacher_of_lwf_is_frozen(toy):
    plugin, model = LearningWithoutForgetting(), heads(toy)
    strategy = toy.strategy(model, [plugin], epochs=1)
    stream = toy.stream()
    strategy.train(stream[0])
    x, _ = toy.data(0)
    before = all_outputs(plugin.teacher, x)[0]
    strategy.train(stream[1])
    assert plugin.classes == {0: [0, 1], 1: [0, 1]}
    first = LearningWithoutForgetting()
    strategy = toy.strategy(model, [first], epochs=1)
    strategy.train(stream[2])
    statistics = {n: b.clone() for n, b in first.teacher.named_buffers()}
    after = all_outputs(first.teacher, x)[0]
    strategy.model.train()
    strategy.mbatch = [x, toy.data(0)[1], torch.zeros(64, dtype=torch.long)]
    strategy.loss = torch.zeros(())
    first.before_backward(strategy)
    assert all(torch.equal(b, statistics[n]) for n, b in first.teacher.named_buffers())
    assert torch.equal(all_outputs(first.teacher, x)[0], after)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", ["lwf", "icarl"])
def test_a_teacher_can_be_stored(toy, name):
    make = {
        "lwf": LearningWithoutForgetting,
        "icarl": lambda: ICaRL(BalancedMemory(12), lambda model, x: model.backbone(x)),
    }[name]
    model, plugin, copy = heads(toy), make(), make()
    toy.strategy(model, [plugin], epochs=1).train(toy.stream()[0])
    copy.load_state_dict(plugin.state_dict(), heads(toy))
    x, y = toy.data(1)
    labels = torch.ones(64, dtype=torch.long)
    strategy = SimpleNamespace(
        model=model,
        mb_x=x,
        mb_y=y,
        mb_task_id=labels,
        experience=toy.stream()[1],
        device="cpu",
    )
    losses = []
    for one in (plugin, copy):
        strategy.loss = torch.zeros(())
        one.before_training_exp(strategy)
        one.before_backward(strategy)
        losses.append(float(strategy.loss.detach()))
    assert losses[0] == losses[1] > 0


def test_herding_keeps_the_running_mean_near_that_of_all():
    torch.manual_seed(0)
    features = nn.functional.normalize(torch.randn(60, 8))
    chosen = herded(features, 10)
    assert len(set(chosen)) == 10
    mean = features.mean(0)
    first = (features - mean).norm(dim=1).argmin()
    assert chosen[0] == int(first)
    herding = (features[chosen].mean(0) - mean).norm()
    drawn = [(features[torch.randperm(60)[:10]].mean(0) - mean).norm() for _ in range(20)]
    assert herding < min(drawn)


def test_icarl_recognises_classes_by_the_nearest_mean_and_learns_old_outputs(toy):
    plugin = ICaRL(BalancedMemory(30), lambda model, x: model.backbone(x))
    model = heads(toy)
    torch.manual_seed(1)
    strategy = toy.strategy(model, [plugin], 10)
    for experience in toy.stream():
        strategy.train(experience)
    for task in range(3):
        x, y = toy.data(task)
        model.eval()
        with torch.no_grad():
            features = nn.functional.normalize(model.backbone(x))
            means = plugin.means(model, task, 2)
            near = torch.cdist(features, means).argmin(1)
            assert torch.equal(near, (model.backbone(x) @ means.T).argmax(1))
        assert float((near == y).float().mean()) > 0.8


def test_icarl_loss_is_the_papers(toy):
    """New classes learn their targets, old heads the sigmoids of before, all in one mean."""
    plugin = ICaRL(BalancedMemory(12), lambda model, x: model.backbone(x))
    model = heads(toy)
    stream = toy.stream()
    toy.strategy(model, [plugin], epochs=1).train(stream[0])
    teacher = all_outputs(plugin._teacher.teacher, toy.data(1)[0])[0]
    x, y = toy.data(1)
    labels = torch.ones(64, dtype=torch.long)
    strategy = SimpleNamespace(
        model=model.eval(),
        mb_x=x,
        mb_y=y,
        mb_task_id=labels,
        loss=None,
        experience=stream[1],
        device="cpu",
    )
    plugin.before_training_exp(strategy)
    plugin.before_backward(strategy)
    now = all_outputs(model, x)
    targets = torch.cat([teacher.sigmoid(), nn.functional.one_hot(y, 2).float()], 1)
    logits = torch.cat([now[0], now[1]], 1)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert torch.allclose(strategy.loss, expected)


def test_classes_of_a_dataset_are_told_apart_by_label_and_target(toy):
    found = rows_by_class(toy.stream()[2].dataset)
    assert found == {(2, 0): list(range(0, 64, 2)), (2, 1): list(range(1, 64, 2))}
