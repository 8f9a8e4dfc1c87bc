"""Batches are read ahead by processes that end with whoever asked for them."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.reading import N_HELD, N_READERS, ensure_room, read_ahead
from cgap_bench.learn.images.stored import FileImages, Images, kept_in

BATCHES = torch.randperm(60, generator=torch.Generator().manual_seed(0)).split(7)


@pytest.fixture
def images():
    return torch.arange(60, dtype=torch.uint8).view(60, 1, 1, 1).expand(-1, 3, 4, 4)


@pytest.fixture
def stored(images, tmp_path):
    return kept_in(tmp_path / "some.u8", images.shape, [images])


class Readers(Images):
    """Each image is the process that reads it."""

    shape = torch.Size((60, 1, 1, 1))

    def __getitem__(self, rows):
        return torch.full((len(rows), 1, 1, 1), os.getpid())

    def tensor(self):
        raise NotImplementedError


def left_over():
    gc.collect()
    return multiprocessing.active_children()


def test_batches_come_in_the_order_of_their_rows(stored, images):
    for content, rows in zip(read_ahead(stored, BATCHES, False), BATCHES, strict=True):
        assert content.equal(images[rows])
    assert not left_over()


def test_other_processes_read_unless_there_are_few_batches():
    readers = {int(one.unique()) for one in read_ahead(Readers(), BATCHES, False)}
    assert len(readers) == N_READERS
    assert os.getpid() not in readers
    few = list(read_ahead(Readers(), BATCHES[:N_HELD], False))
    assert len(few) == N_HELD
    assert {int(one.unique()) for one in few} == {os.getpid()}


def test_no_random_number_is_drawn(stored):
    before = torch.get_rng_state()
    list(read_ahead(stored, BATCHES, False))
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("n", [1, 9])
def test_an_error_of_a_reader_is_one_line_and_leaves_none_behind(stored, n):
    stored.path.unlink()
    with pytest.raises(UsageError, match=r"some\.u8 cannot be read any more") as caught:
        list(read_ahead(stored, BATCHES[:n], False))
    assert "\n" not in str(caught.value)
    del caught
    assert not left_over()


def test_readers_end_when_batches_are_not_asked_for_any_more(stored):
    content = read_ahead(stored, BATCHES, False)
    next(content)
    assert len(multiprocessing.active_children()) == N_READERS
    del content
    assert not left_over()


PROGRAM = """
import multiprocessing, signal, sys, time
from pathlib import Path
import torch
from cgap_bench.learn.images.reading import read_ahead
from cgap_bench.learn.images.stored import FileImages
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
images = FileImages(Path(sys.argv[1]), (60, 3, 4, 4))
content = read_ahead(images, torch.arange(60).split(7), False)
next(content)
print(*(process.pid for process in multiprocessing.active_children()), flush=True)
time.sleep(600)
"""


def running(pid):
    """Whether a process is there, and not only waits for somebody to ask how it ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_readers_end_with_their_parent_whatever_ends_it(stored, number):
    assert isinstance(stored, FileImages)
    command = [sys.executable, "-c", PROGRAM, str(stored.path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as main:
        readers = [int(pid) for pid in main.stdout.readline().split()]
        assert len(readers) == N_READERS
        assert all(map(running, readers))
        if number == signal.SIGINT:
            os.killpg(main.pid, number)  # as a terminal does
        else:
            main.kill()
        main.wait(60)
    until = time.monotonic() + 4  # torch's own watch takes five seconds
    while any(map(running, readers)):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_batches_that_do_not_fit_are_told_with_what_to_do():
    ensure_room(N_HELD * 32 * 12, 12, 32)
    with pytest.raises(UsageError) as caught:
        ensure_room(N_HELD * 32 * 12 - 1, 12, 32)
    assert str(caught.value) == (
        "batches of 32 images that are read ahead take 1.9KB, more than the memory budget of a"
        " run, 1.9KB; lower training.batch_size and training.eval_batch_size, or raise"
        " --memory-budget"
    )
