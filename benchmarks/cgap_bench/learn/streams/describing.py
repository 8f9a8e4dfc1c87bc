"""What is in a stream, in a line for people."""

from cgap_bench.learn.streams.build import Stream
from cgap_bench.record.class_names import joined_tasks


def described(stream: Stream) -> str:
    """``"6 classes, 1,440 training and 360 test images, 3 tasks: airplane automobile | ..."``.

    Images count as often as tasks show them.
    """
    experiences = stream.benchmark.train_stream
    n_trained = sum(len(experience.dataset) for experience in experiences)
    n_held = sum(map(len, stream.heldout))
    n_tested = sum(len(experience.dataset) for experience in stream.benchmark.test_stream)
    held = f", {n_held:,} held-out" if n_held else ""

    n_classes = len({number for group in stream.classes for number in group})
    n, tasks = stream.n_experiences, joined_tasks(stream.classes, stream.class_names)
    return (
        f"{n_classes} classes, {n_trained:,} training{held} and {n_tested:,} test images,"
        f" {n} {'task' if n == 1 else 'tasks'}: {tasks}"
    )
