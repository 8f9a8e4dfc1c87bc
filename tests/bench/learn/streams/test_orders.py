"""Orders: classes, groups, domains and views, and that orders and cuts are checked."""

import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.streams.orders import parts_of, settled
from cgap_bench.record.configuration import StreamSettings


@pytest.fixture
def data():
    images = torch.zeros(12, 1, 2, 2, dtype=torch.uint8)
    targets = torch.arange(6).repeat(2)
    groups = ((4, 5), (0, 1), (2, 3))
    domains = torch.tensor([0, 1, 2] * 4)
    return ImageData(images, targets, images, targets, (0.0,), (1.0,), groups, domains)


def classes(data, **settings):
    own = StreamSettings(**({"dataset": "d", "n_experiences": 3} | settings))
    return [part.classes for part in parts_of(data, own)]


def test_groups_keep_the_order_of_the_dataset_until_one_is_asked_for(data):
    assert classes(data, cut="groups") == [(4, 5), (0, 1), (2, 3)]
    assert classes(data, cut="groups", task_order=(2, 0, 1)) == [(2, 3), (4, 5), (0, 1)]
    shuffled = classes(data, cut="groups", order_seed=1)
    assert sorted(shuffled) == sorted(data.groups)
    assert shuffled != list(data.groups)


def test_an_order_of_classes_may_be_written_out(data):
    order = (5, 3, 1, 0, 2, 4)
    assert classes(data, class_order=order) == [(5, 3), (1, 0), (2, 4)]
    with pytest.raises(UsageError, match=r"class_order=\[0, 0, 1\] is no order of 0 to 5"):
        classes(data, class_order=(0, 0, 1))


def test_domains_and_views_have_all_classes(data):
    own = StreamSettings(dataset="d", n_experiences=3, cut="domains", order_seed=0)
    parts = parts_of(data, own)
    assert sorted(part.domain for part in parts) == [0, 1, 2]
    assert {part.classes for part in parts} == {tuple(range(6))}
    turned = parts_of(data, own.model_copy(update={"cut": "rotated", "n_experiences": 4}))
    assert sorted(part.view for part in turned) == [0, 1, 2, 3]


def test_a_count_that_is_not_there_is_an_error_that_says_what_is(data):
    with pytest.raises(UsageError, match=r"d has 3 groups of classes, stream\.n_experiences=2"):
        classes(data, cut="groups", n_experiences=2)
    plain = ImageData(*[data.train_images, data.train_targets] * 2, (0.0,), (1.0,))
    with pytest.raises(UsageError, match="d has no domains of its own"):
        classes(plain, cut="domains")


def test_an_order_by_the_seed_is_the_order_of_that_seed():
    own = StreamSettings(dataset="d", n_experiences=2, order_by_seed=True)
    assert settled(own, 7) == StreamSettings(dataset="d", n_experiences=2, order_seed=7)


def test_seeds_take_written_orders_of_the_tasks_in_turn(data):
    own = StreamSettings(
        dataset="d", n_experiences=3, cut="groups", task_orders=((2, 0, 1), (1, 0, 2))
    )
    of_seeds = [[p.classes for p in parts_of(data, settled(own, seed))] for seed in range(3)]
    assert of_seeds[0] == of_seeds[2] == [(2, 3), (4, 5), (0, 1)]
    assert of_seeds[1] == [(0, 1), (4, 5), (2, 3)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task_order": (0, 1), "task_orders": ((1, 0),)}, "exclude each other"),
        ({"task_order": (0, 2)}, r"task_order: \[0, 2\] is no order of 0 to 1"),
        ({"task_orders": ((1, 0), (1, 1))}, r"task_orders: \[1, 1\] is no order of"),
        ({"task_orders": ((),)}, r"task_orders: \[\] is no order of"),
        ({"cut": "permuted", "scenario": "class"}, "no meaning where cut=permuted"),
        ({"class_order": (0, 1), "order_seed": 1}, "exclude each other"),
        ({"class_order": (0, 1), "cut": "groups"}, "no effect under cut=groups"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StreamSettings(dataset="d", n_experiences=2, **settings)
