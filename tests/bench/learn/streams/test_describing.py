"""What a stream holds, in a line: counted by hand."""

import pytest

from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.streams import build_stream
from cgap_bench.learn.streams.describing import described
from cgap_bench.record.class_names import joined_tasks, of_task
from cgap_bench.record.configuration import Cut, StreamSettings


@pytest.mark.parametrize(
    ("settings", "holdout_share", "said"),
    [
        # 1,797 digits: every fifth of a class is for test, 355 in all
        (
            {},
            0.0,
            "10 classes, 1,442 training and 355 test images, 5 tasks: 0 1 | 2 3 | 4 5 | ",
        ),
        (
            {"n_train_per_class": 20},
            0.1,
            "10 classes, 180 training, 20 held-out and 355 test images, 5 tasks: 0 1 | 2 3",
        ),
        (
            {"cut": Cut.PERMUTED, "n_train_per_class": 10},
            0.0,
            "10 classes, 500 training and 1,775 test images, 5 tasks: all classes in each",
        ),
        ({"first": 1}, 0.0, "2 classes, 289 training and 71 test images, 1 task: 0 1"),
    ],
)
def test_counts_and_classes(settings, holdout_share, said):
    stream = StreamSettings(dataset="digits", n_experiences=5, **settings)
    assert described(build_stream(stream, holdout_share, 0, data_root())).startswith(said)


def test_long_lists_are_shortened():
    tasks = [range(50 * i, 50 * i + 50) for i in range(20)]
    assert joined_tasks(tasks).endswith("| 250-299 | ...")
    names = [f"{'x' * 30}{i}" for i in range(50)]
    assert of_task(range(50), names, 2, " ") == f"{'x' * 21}... {'x' * 21}... ... (48 more)"
    assert of_task([3, 1, 2]) == "3, 1, 2"
