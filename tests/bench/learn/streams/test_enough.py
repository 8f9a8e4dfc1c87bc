"""Classes that lack images are named before anything is trained, whatever the data are."""

from pathlib import Path

import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.streams import build, build_stream
from cgap_bench.record.configuration import Split, StreamSettings


@pytest.fixture
def cut(monkeypatch):
    """A stream of two tasks of two classes, from the number of images of each class."""

    def make(train, test, holdout_share=0.0, names=(), **settings):
        train_targets, test_targets = (
            torch.arange(len(n)).repeat_interleave(torch.tensor(n)) for n in (train, test)
        )
        images = [
            torch.zeros(len(t), 1, 4, 4, dtype=torch.uint8)
            for t in (train_targets, test_targets)
        ]
        data = ImageData(
            images[0], train_targets, images[1], test_targets, (0.0,), (1.0,), class_names=names
        )
        monkeypatch.setattr(build, "load_data", lambda *_: data)
        stream = StreamSettings(dataset="toy", n_experiences=2, **settings)
        return build_stream(stream, holdout_share, 0, Path())

    return make


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((8, 8, 0, 8), (2, 2, 2, 2), "class 2 of toy has 0 training and 2 test images"),
        ((8, 8, 8, 8), (2, 0, 2, 2), "class 1 of toy has 8 training and 0 test images"),
        ((8, 8, 8, 8), (2, 2, 2), "class 3 of toy has 8 training and 0 test images"),
        ((8, 8, 8), (2, 2, 2, 2), "class 3 of toy has 0 training and 2 test images"),
    ],
)
def test_a_class_without_training_or_test_images_is_named(cut, train, test, said):
    with pytest.raises(UsageError, match=said):
        cut(train, test)


def test_by_name_where_it_has_one(cut):
    with pytest.raises(UsageError, match=r"class 1 \(beech\) of toy has .* at least 1 of each"):
        cut((8, 8, 8, 8), (2, 0, 2, 2), names=("ash", "beech", "cedar", "fir"))


def test_what_the_holdout_takes_is_not_there_to_train_on(cut):
    cut((1, 8, 8, 8), (2, 2, 2, 2), 0.0)
    with pytest.raises(UsageError, match="class 0 of toy has 0 training"):
        cut((1, 1, 8, 8), (2, 2, 2, 2), 0.5)


def test_classes_that_no_task_has_need_nothing(cut):
    assert cut((8, 8, 0, 8), (2, 2, 2, 2), first=1).classes == ((0, 1),)


def test_scored_on_held_out_images_a_class_needs_some(cut):
    cut((10, 10, 10, 10), (2, 2, 2, 2), 0.2, score_on=Split.HELD_OUT)
    with pytest.raises(UsageError, match="a class needs at least 5 training images"):
        cut((10, 10, 4, 10), (2, 2, 2, 2), 0.2, score_on=Split.HELD_OUT)
