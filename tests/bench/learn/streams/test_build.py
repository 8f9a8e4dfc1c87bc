"""Streams: which experience holds which images and classes."""

import pytest
import torch
from avalanche.logging import BaseLogger
from avalanche.models import MTSimpleMLP, MultiHeadClassifier, MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS, data_root
from cgap_bench.learn.streams import build_stream, joint_experience
from cgap_bench.record.configuration import StreamSettings


def digits(holdout_share=0.1, seed=0, **settings):
    return build_stream(
        StreamSettings(**({"dataset": "digits", "n_experiences": 5} | settings)),
        holdout_share,
        seed,
        data_root(),
    )


def rows(experience):
    return set(experience.dataset.rows.data)


def test_experiences_partition_the_data_and_held_out_images_are_not_trained_on():
    stream = digits()
    seen = []
    for train, held in zip(stream.benchmark.train_stream, stream.heldout):
        assert not rows(train) & set(held.rows.data)
        assert len(held) == round(0.1 * (len(train.dataset) + len(held)))
        seen += [*rows(train), *held.rows.data]
    assert sorted(seen) == list(range(len(stream.train)))
    tests = [row for e in stream.benchmark.test_stream for row in rows(e)]
    assert sorted(tests) == list(range(len(stream.test)))


def test_labels_count_from_zero_and_tasks_follow_the_class_order():
    stream = digits()
    data = DATASETS["digits"].load(data_root())
    for task, experience in enumerate(stream.benchmark.train_stream):
        assert experience.task_label == task
        assert experience.classes_in_this_experience == [0, 1]
        for row in list(rows(experience))[:20]:
            within = int(stream.train.targets[row])
            assert stream.classes[task][within] == int(data.train_targets[row])


def test_the_seed_moves_held_out_images_only_and_the_order_seed_moves_classes_only():
    plain, other, shuffled = digits(), digits(seed=1), digits(order_seed=3)
    assert plain.classes == other.classes == ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    assert list(plain.heldout[0].rows.data) != list(other.heldout[0].rows.data)
    assert rows(plain.benchmark.test_stream[0]) == rows(other.benchmark.test_stream[0])
    assert shuffled.classes != plain.classes
    assert sorted(c for group in shuffled.classes for c in group) == list(range(10))


def test_every_seed_may_have_an_order_of_its_own():
    orders = [digits(seed=seed, order_by_seed=True).classes for seed in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert digits(order_seed=1).classes == orders[1]
    with pytest.raises(ValueError, match="exclude each other"):
        digits(order_by_seed=True, order_seed=1)


def test_a_stream_may_stop_early_and_be_scored_on_held_out_images():
    whole, part = digits(), digits(first=2, score_on="held-out")
    assert part.n_experiences == 2
    assert part.classes == whole.classes[:2]
    for task in range(2):
        assert rows(part.benchmark.train_stream[task]) == rows(
            whole.benchmark.train_stream[task]
        )
        assert list(part.scored[task].rows.data) == list(part.heldout[task].rows.data)
        assert set(whole.scored[task].rows.data) == rows(whole.benchmark.test_stream[task])
    assert part.scored_store is part.train
    assert whole.scored_store is whole.test


def test_limit_takes_the_first_images_of_each_class():
    stream = digits(holdout_share=0.0, n_train_per_class=7)
    data = DATASETS["digits"].load(data_root())
    chosen = sorted(rows(stream.benchmark.train_stream[1]))
    expected = [(data.train_targets == c).nonzero().flatten()[:7].tolist() for c in (2, 3)]
    assert chosen == sorted(expected[0] + expected[1])


def test_classes_that_do_not_divide_are_an_error_that_lists_what_does():
    with pytest.raises(UsageError, match=r"does not divide the 10 classes.*1, 2, 5, 10"):
        digits(n_experiences=3)


def test_joint_experience_holds_all_images_with_their_task():
    stream = digits()
    experience = joint_experience(stream)
    assert sorted(experience.task_labels) == [0, 1, 2, 3, 4]
    each = [rows(e) for e in stream.benchmark.train_stream]
    for row, task in zip(
        experience.dataset.rows.data, experience.dataset.targets_task_labels.data
    ):
        assert row in each[task]
    assert len(experience.dataset) == sum(map(len, each))


def test_scenarios_differ_in_labels_and_in_what_is_to_be_told_apart():
    task, domain, one = (digits(scenario=name) for name in ("task", "domain", "class"))
    assert task.task_labels == (0, 1, 2, 3, 4)
    assert domain.task_labels == one.task_labels == (0,) * 5
    assert (task.n_outputs, domain.n_outputs, one.n_outputs) == (2, 2, 10)
    assert [e.classes_in_this_experience for e in domain.benchmark.train_stream] == [[0, 1]] * 5
    last = one.benchmark.train_stream[4]
    assert last.classes_in_this_experience == [8, 9]
    assert last.task_label == 0
    assert rows(last) == rows(task.benchmark.train_stream[4])


def test_in_one_head_over_all_classes_numbers_follow_the_order_of_learning():
    stream = digits(scenario="class", order_seed=2)
    data = DATASETS["digits"].load(data_root())
    learnt = [one for group in stream.classes for one in group]
    for row in range(50):
        assert learnt[int(stream.train.targets[row])] == int(data.train_targets[row])


@pytest.mark.filterwarnings("ignore:No loggers specified:UserWarning")
def test_avalanches_own_multi_head_models_train_on_a_stream():
    """They index a tensor with the classes of an experience."""
    stream = digits(n_train_per_class=10, first=2)
    for model in (MTSimpleMLP(64, 8), HeadsOnly()):
        strategy = Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), 0.1),
            train_mb_size=10,
            evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
        )
        for experience in stream.benchmark.train_stream:
            strategy.train(experience)
        strategy.eval(stream.benchmark.test_stream)
        assert model.classifier.active_units == {0: [0, 1], 1: [0, 1]}


class HeadsOnly(MultiTaskModule):
    """Avalanche's heads on the pixels."""

    def __init__(self):
        super().__init__()
        self.classifier = MultiHeadClassifier(64)

    def forward(self, x, task_labels):
        return self.classifier(x.flatten(1), task_labels)


def test_permuted_experiences_hold_the_same_images_in_other_rows():
    stream = digits(cut="permuted", n_experiences=3, scenario="domain", holdout_share=0.0)
    n = len(stream.train.images)
    for view, experience in enumerate(stream.benchmark.train_stream):
        assert rows(experience) == set(range(view * n, (view + 1) * n))
    assert stream.n_outputs == 10
    image = stream.train.images[0].flatten()
    shown = stream.train.pixels(torch.tensor([n]))[0].flatten()
    assert not shown.equal(image)
    assert shown.sort().values.equal(image.sort().values)
    assert stream.test.pixels(torch.tensor([0])).shape == (1, 1, 8, 8)


def test_held_out_images_of_an_experience_are_its_own_and_of_the_joint_one_all():
    stream = digits(scenario="domain")
    third = stream.benchmark.train_stream[2]
    (held,) = stream.heldout_of(third)
    assert list(held.rows.data) == list(stream.heldout[2].rows.data)
    assert len(stream.heldout_of(joint_experience(stream))) == 5
