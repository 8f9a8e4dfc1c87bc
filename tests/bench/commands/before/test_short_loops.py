"""Loops end early, the clock does not show it; time is what a test says."""

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from cgap_bench.commands.before import short_loops
from cgap_bench.commands.before.short_loops import PATIENCE_S, Clock, TimeUpError

IMAGES = TensorDataset(torch.zeros(100, 1))


@pytest.fixture
def passes(monkeypatch):
    """Lets seconds pass, as many as it is called with."""
    seconds = [0.0]
    monkeypatch.setattr(short_loops.time, "perf_counter", lambda: seconds[0])

    def advance(by):
        seconds[0] += by

    return advance


def timed(clock, work):
    clock.begin()
    with clock.short_loops():
        work()
    return clock.end()


@pytest.mark.parametrize(("n_images", "batches"), [(100, 50), (300, 150)])
def test_a_loop_is_cut_and_counts_as_if_it_were_not(passes, n_images, batches):
    """Over all images of an experience: of as many as a run has."""
    done = []

    def work():
        passes(7.0)
        for _ in DataLoader(IMAGES, 2):
            done.append(None)
            passes(0.1)
        passes(2.0)

    clock = Clock("cpu", n_images, 100)
    assert timed(clock, work) == pytest.approx(9.0 + 0.1 * batches)
    assert len(done) == 2  # one to warm up


def test_a_loop_over_some_images_has_no_more_of_them_in_a_run(passes):
    def work():
        for _ in DataLoader(Subset(IMAGES, range(40)), 1):
            passes(0.1)

    assert timed(Clock("cpu", 10_000, 100), work) == pytest.approx(4.0)


def test_loops_inside_loops(passes):
    done = []

    def work():
        for _ in DataLoader(IMAGES, 10):
            for _ in DataLoader(Subset(IMAGES, range(20)), 1):
                done.append(None)
                passes(0.05)

    assert timed(Clock("cpu", 100, 100), work) == pytest.approx(10 * 20 * 0.05)
    assert len(done) == 4


def test_a_warm_up_counts_once(passes):
    def work():
        for i, _ in enumerate(DataLoader(IMAGES, 2)):
            passes(0.2 if i == 0 else 0.1)

    assert timed(Clock("cpu", 100, 100), work) == pytest.approx(0.2 + 49 * 0.1)


def test_long_batches_are_not_repeated(passes):
    done = []

    def work():
        for _ in DataLoader(IMAGES, 2):
            done.append(None)
            passes(1.0)

    assert timed(Clock("cpu", 100, 100), work) == pytest.approx(50)
    assert len(done) == 1


def test_who_leaves_a_loop_leaves_it_in_a_run_too(passes):
    def work():
        for _ in DataLoader(IMAGES, 2):
            passes(0.1)
            break

    assert timed(Clock("cpu", 100, 100), work) == pytest.approx(0.1)


def test_short_loops_and_those_of_no_length_go_to_their_end(passes):
    class Endless(IterableDataset):
        def __iter__(self):
            return iter(range(5))

    def work():
        for _ in DataLoader(Endless()):
            passes(1.0)
        for _ in DataLoader(Subset(IMAGES, range(3)), 1):
            passes(0.01)

    assert timed(Clock("cpu", 100, 100), work) == pytest.approx(5.03)


def test_images_that_are_read_one_by_one(passes):
    """All of them: there are more in a run; as many as fit somewhere: there are not."""
    clock = Clock("cpu", 1000, 100)

    def read(n):
        for _ in range(n):
            clock.check(1)
            passes(0.01)

    assert timed(clock, lambda: read(99)) == pytest.approx(0.99)
    assert timed(clock, lambda: read(100)) == pytest.approx(10.0)


def test_patience_ends(passes):
    clock = Clock("cpu", 100, 100)
    passes(PATIENCE_S + 1)
    with pytest.raises(TimeUpError):
        clock.check()


def test_loops_are_whole_again_afterwards(passes):
    clock = Clock("cpu", 100, 100)
    with pytest.raises(KeyError), clock.short_loops():
        raise KeyError
    batches = 0
    for _ in DataLoader(IMAGES, 2):
        passes(1.0)
        batches += 1
    assert batches == 50
